"""The interface against its document, by other people's programs: a linter of OpenAPI 3.1, a generated client that is then used, and
schemathesis, which asks every route with what the document allows and with what it does not."""

import importlib, json, os, subprocess, sys, urllib.request

os.environ["NO_PROXY"] = "*"
url, token, folder = sys.argv[1:]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
text = opener.open(f"{url}/api/openapi.json").read()
document = json.loads(text)
said = {}

# The linter.
from openapi_spec_validator import OpenAPIV31SpecValidator

said["lint"] = [f"{list(e.absolute_path)}: {e.message[:200]}" for e in OpenAPIV31SpecValidator(document).iter_errors()]

# A client that somebody generates, and what it reads and writes.
path = os.path.join(folder, "openapi.json")
open(path, "wb").write(text)
made = subprocess.run(
    [sys.executable, "-m", "openapi_python_client", "generate", "--path", path, "--output-path", os.path.join(folder, "made"), "--meta", "none"],
    capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"},
)
assert os.path.isdir(os.path.join(folder, "made", "api")), made.stdout + made.stderr
sys.path.insert(0, folder)
client = importlib.import_module("made").AuthenticatedClient(base_url=url, token=token)
areas = importlib.import_module("made.api.areas.list_areas").sync(client=client)
said["areas"] = len(areas.items)
models = importlib.import_module("made.models")
city = importlib.import_module("made.api.system.get_city").sync(client=client)
said["city"] = city.to_dict()["version"]
new = models.NewCase.from_dict(dict(type="dirty_road", row=0, area=areas.items[0].code, description="by a generated client"))
filed = importlib.import_module("made.api.cases.file_case").sync_detailed(client=client, body=new)
said["filed"] = int(filed.status_code)
refused = importlib.import_module("made.api.cases.get_case").sync_detailed("no-such-case", client=client)
said["refused"] = [int(refused.status_code), refused.parsed.code]
json.dump(said, sys.stdout, ensure_ascii=False)
