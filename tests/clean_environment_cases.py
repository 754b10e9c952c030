"""Beginning of a script that runs with torch and transformers alone."""

CLEAN_ENVIRONMENT = """
import importlib.util, json, os, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("kospan", "modeling", "torchcrf", "seqeval", "evaluate"):
            raise ModuleNotFoundError(f"not for a consumer: {name}", name=name)
sys.meta_path.insert(0, Refuse())
import transformers
from transformers import AutoModel, pipeline
def endpoint(folder):
    spec = importlib.util.spec_from_file_location("handler.EndpointHandler", os.path.join(folder, "handler.py"))
    loose = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loose)
    return loose.EndpointHandler(folder)
found = {"version": transformers.__version__}
"""
