# Draws a page, has the farm read it with the profile that is named first, and compares what was read with the truth.
cd "${TMPDIR:-/tmp}"
PIP_NO_INDEX=1 ocrfarm sample sample.png --size 2048
job=$(ocrfarm submit sample.png --profile "$1")
echo "job $job"
ocrfarm fetch "$job" --out results --timeout 1500
python -c '
import json, sys
truth = json.load(open("sample.png.json"))
read = json.load(open(f"results/{sys.argv[1]}.json"))
wanted = [line["text"] for line in truth["lines"]]
found = {line["text"] for page in read["pages"] for line in page["lines"]}
right = sum(text in found for text in wanted)
print(f"{right} of {len(wanted)} lines are read as they were written")
sys.exit(right < 0.6 * len(wanted))
' "$job"
