"""Writes the tables of values in the chart's README, from its schema and its defaults; run it without arguments."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "helm" / "ocrfarm"
BEGIN, END = "<!-- values -->\n", "<!-- / -->\n"


def make_readme(text: str) -> str:
    """Return the README with the tables of the present schema and defaults in place of those that it has."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    sections = [
        _section(name, part, schema, default=values[name])
        for name, part in schema["properties"].items()
        if name != "global"
    ]
    return "\n".join([head + BEGIN, *sections, END + tail])


def _section(name: str, part: dict[str, Any], schema: dict[str, Any], *, default: Any) -> str:  # noqa: ANN401 - of YAML
    rows = list(_rows(name, part, schema, default=default))
    table = "\n".join(["| Value | Default | Meaning |", "|---|---|---|", *rows])
    return f"### `{name}`\n\n{part['description']}\n\n{table}\n"


def _rows(name: str, part: dict[str, Any], schema: dict[str, Any], *, default: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield a row of the table for a value, or the rows of the values that it holds."""
    resolved = _resolve(part, schema)
    inner = {key: item for key, item in resolved.get("properties", {}).items() if _is_ours(name)}
    if not inner:
        yield f"| `{name}` | {_show(default)} | {_escape(part.get('description', ''))} |"
    for key, item in inner.items():
        yield from _rows(f"{name}.{key}", item, schema, default=default.get(key) if isinstance(default, dict) else None)


def _is_ours(name: str) -> bool:
    """Return whether the fields of a value are this chart's, and not those of Kubernetes that everybody knows."""
    return not name.endswith(".resources")


def _resolve(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the definition that a part of the schema refers to."""
    for item in part.get("allOf", ()):
        if "$ref" in item:
            return dict(schema["definitions"][item["$ref"].rpartition("/")[2]])
    return part


def _show(default: Any) -> str:  # noqa: ANN401 - of YAML
    return "" if default in (None, "", [], {}) else f"`{_escape(json.dumps(default, ensure_ascii=False))}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    readme = CHART / "README.md"
    readme.write_text(make_readme(readme.read_text(encoding="utf-8")), encoding="utf-8")
