"""The examples of the README that import torch run, after those that do not."""

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_examples_with_torch():
    examples = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert any("import torch" in example for example in examples)
    namespace: dict[str, object] = {}
    for example in examples:
        exec(compile(example, "README.md", "exec"), namespace)
