# Draws a page, lets the farm read it with the profile in $1, and compares the lines with those that were drawn.
# Exits with 1 if fewer than 60 % of the lines are right.
cd "${TMPDIR:-/tmp}"
PIP_NO_INDEX=1 ocrfarm sample sample.png --size 2048
job=$(ocrfarm submit sample.png --profile "$1")
echo "job $job"
ocrfarm fetch "$job" --out results --timeout 1500
python -c '
import json, sys
truth = json.load(open("sample.png.json"))
read = json.load(open(f"results/{sys.argv[1]}.json"))
expected = [line["text"] for line in truth["lines"]]
found = {line["text"] for page in read["pages"] for line in page["lines"]}
right = sum(text in found for text in expected)
print(f"{right} of {len(expected)} lines are right")
sys.exit(right < 0.6 * len(expected))
' "$job"
