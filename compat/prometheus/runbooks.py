"""Runs every command of the runbooks at a replica, and asks Prometheus every query.

runbooks.py PAGE REPLICA PROMETHEUS
"""

import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request

PAGE, REPLICA, PROMETHEUS = sys.argv[1:]
with open(PAGE, encoding="utf-8") as page:
    text = page.read()
blocks = re.findall(r"^```(sh|promql)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
assert text.count("```") == 2 * len(blocks), "a block of code is neither sh nor promql"

commands = [line for kind, block in blocks if kind == "sh" for line in block.splitlines()]
for command in commands:
    assert "curl " in command and "http://localhost:8761/" in command, command
    there = command.replace("http://localhost:8761", REPLICA).replace("curl ", "curl -fS ")
    done = subprocess.run(["bash", "-o", "pipefail", "-c", there], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    assert done.stdout.strip(), f"{command} prints nothing"

queries = [block for kind, block in blocks if kind == "promql"]
for query in queries:
    with urllib.request.urlopen(f"{PROMETHEUS}/api/v1/query?{urllib.parse.urlencode({'query': query})}") as answer:
        assert json.load(answer)["data"]["result"], f"{query} finds nothing"
print(f"  {len(commands)} commands and {len(queries)} queries of the runbooks work")
