"""A small HTTP server with canned behaviours for the unit tests of src/http and src/kube.

usage: server.py DIR    prints "PORT TLS_PORT" once it listens on loopback, ends when its standard input is closed.
TLS needs a client certificate; DIR gets ca.pem, client.pem, client.key.pem, made anew (the server's name is api.test).
"""
import gzip, http.server, json, os, re, ssl, subprocess, sys, threading, urllib.parse

done = threading.Event()
lock = threading.Lock()
hits = {}   # how often a path was asked
store = {}  # path of an object -> object
version = [100]
installed = [False]


def hit(path):
    with lock:
        hits[path] = hits.get(path, 0) + 1
        return hits[path]


def config_map(name, rv, uid=None, ns="watch"):
    return {"metadata": {"name": name, "namespace": ns, "uid": uid or "uid-" + name, "resourceVersion": str(rv), "managedFields": [{"manager": "m"}]},
            "data": {"key": name}}


def status(code, reason, message, **more):
    return dict({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}, **more)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def reply(self, code, body, headers=(), kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def begin_chunks(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, kind, obj):
        self.chunk((json.dumps({"type": kind, "object": obj}) + "\n").encode())

    def drop(self):
        self.close_connection = True

    def handle_any(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        self.count = hit(url.path)
        if url.path.startswith("/api"):
            return self.kube(url.path)
        return self.plain(url.path)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def plain(self, path):
        if path == "/echo":
            self.reply(200, {"method": self.command, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                             "body": self.body.decode(), "peer": self.client_address[1]})
        elif path == "/gzip":
            self.reply(200, gzip.compress(b'{"packed":true}'), [("Content-Encoding", "gzip")])
        elif path == "/big":
            self.reply(200, b"x" * int(self.query["n"]))
        elif path == "/slow":
            done.wait()
            self.drop()
        elif path == "/break" or path == "/break-once" and self.count == 1:
            self.drop()
        elif path == "/break-once":
            self.reply(200, {})
        elif path == "/hits":
            self.reply(200, {"hits": hits.get(self.query["of"], 0)})
        elif path == "/retry":
            self.reply(429, {}, [("Retry-After", "7")])
        elif path == "/redirect":
            self.reply(302, {}, [("Location", "/echo")])
        elif path == "/auth":
            good = self.headers.get("Authorization") == "Bearer good"
            self.reply(200 if good else 401, {"good": good})
        elif path == "/auth-stream":
            if self.headers.get("Authorization") != "Bearer good":
                return self.reply(401, {})
            self.begin_chunks()
            self.chunk(b"in\n")
            self.chunk(b"")
        elif path == "/stream":
            self.begin_chunks()
            self.chunk(b"one\n")
            self.chunk(b"two\n")
            if "break" in self.query:
                return self.drop()
            if "hold" in self.query:
                done.wait()
                return self.drop()
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.reply(404, b"404 page not found\n", kind="text/plain")

    # ---- Kubernetes ----

    def kube(self, path):
        if path == "/api/v1":
            return self.reply(200, {"resources": [
                {"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "verbs": ["get", "list"]},
                {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get", "list"]},
                {"name": "pods/status", "kind": "Pod", "namespaced": True, "verbs": ["get"]},
                {"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": ["get", "list"]}]})
        if path == "/apis":
            return self.reply(200, {"groups": [{"name": "late.test", "preferredVersion": {"groupVersion": "late.test/v1"}}]})
        if path == "/apis/late.test/v1":
            if self.count == 1:
                return self.reply(404, b"404 page not found\n", kind="text/plain")
            return self.reply(200, {"resources": [{"name": "lates", "kind": "Late", "namespaced": True, "verbs": ["list"]}]})
        match = re.fullmatch(r"/api(?:s/[^/]+)?/v1/namespaces/([^/]+)/([^/]+)(?:/([^/]+))?(/.*)?", path)
        if not match:
            return self.reply(404, b"404 page not found\n", kind="text/plain")
        ns, _, name, _ = match.groups()
        if ns.startswith("status-"):
            return self.reply(int(ns[7:]), status(int(ns[7:]), "Reason", "said the server"), [("Retry-After", "3")] if ns[7:] == "503" else [])
        if ns == "slow":
            done.wait()
            return self.drop()
        if ns == "html":
            return self.reply(200, b"<html>", kind="text/html")
        if ns == "echo":
            return self.reply(200, {"kind": "Echo", "metadata": {"managedFields": []}, "method": self.command, "path": self.path,
                                    "type": self.headers.get("Content-Type"), "body": self.body.decode(),
                                    "user": self.headers.get("Impersonate-User"), "groups": self.headers.get_all("Impersonate-Group")})
        if ns == "conflict":
            return self.reply(409, status(409, "Conflict", "Apply failed", details={"causes": [
                {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl" using v1', "field": ".data.a"},
                {"reason": "FieldManagerConflict", "message": 'conflict with "helm" using v1', "field": ".data.b"}]}))
        if ns == "untyped":
            return self.reply(500, status(500, "", "failed to create typed patch object (x): .data.a: expected string"))
        if ns in ("pages", "expire", "expired"):
            return self.pages(ns)
        if ns == "watch":
            return self.watch_end() if "watch" in self.query else self.watch_list()
        return self.stored(path, name)

    def pages(self, ns):
        token = int(self.query.get("continue", "0"))
        if token == 1 and (ns == "expired" or (ns == "expire" and hit("expire") == 1)):
            return self.reply(410, status(410, "Expired", "The provided continue parameter is too old"))
        items = [config_map("c%d" % (token * 2 + i), 5, ns=ns) for i in range(2)]
        self.reply(200, {"metadata": {"resourceVersion": "77", "continue": str(token + 1) if token < 2 else ""}, "items": items})

    def watch_list(self):
        if hit("watch-list") == 1:
            return self.reply(200, {"metadata": {"resourceVersion": "10"}, "items": [config_map("a", 1), config_map("b", 2)]})
        self.reply(200, {"metadata": {"resourceVersion": "30"}, "items": [config_map("a", 21), config_map("c", 25, "uid-new")]})

    def watch_end(self):
        rv = self.query["resourceVersion"]
        assert self.query["allowWatchBookmarks"] == "true"
        self.begin_chunks()
        if rv == "10":
            self.event("ADDED", config_map("c", 11))
            self.event("BOOKMARK", {"kind": "ConfigMap", "metadata": {"resourceVersion": "20"}})
        elif rv == "20":
            line = (json.dumps({"type": "MODIFIED", "object": config_map("a", 21)}) + "\n").encode()
            self.chunk(line[:20])
            self.chunk(line[20:])
            self.event("ERROR", status(410, "Expired", "too old resource version"))
        elif rv == "30" and hit("watch-30") == 1:
            self.event("DELETED", config_map("a", 31))
            self.event("BOOKMARK", {"kind": "ConfigMap", "metadata": {"resourceVersion": "32"}})
            return self.drop()  # without the last chunk: the connection breaks
        elif rv == "32" and hit("watch-32") == 1:
            pass  # ends without a word
        else:
            done.wait()
            return self.drop()
        self.wfile.write(b"0\r\n\r\n")

    def stored(self, path, name):
        with lock:
            now = store.get(path)
            if self.command == "POST":
                obj = json.loads(self.body)
                path += "/" + obj["metadata"]["name"]
                if path in store:
                    return self.reply(409, status(409, "AlreadyExists", "it already exists"))
                return self.put(path, obj, 201)
            if name is None:
                items = [store[key] for key in sorted(store) if key.startswith(path + "/")]
                return self.reply(200, {"metadata": {"resourceVersion": str(version[0])}, "items": items})
            if now is None:
                return self.reply(404, status(404, "NotFound", "%s not found" % name))
            if self.command == "GET":
                return self.reply(200, now)
            if self.command == "DELETE":
                want = json.loads(self.body).get("preconditions", {}).get("resourceVersion")
                if want not in (None, now["metadata"]["resourceVersion"]):
                    return self.reply(409, status(409, "Conflict", "precondition"))
                del store[path]
                return self.reply(200, status(200, "", ""))
            obj = json.loads(self.body)
            want = obj.get("metadata", {}).get("resourceVersion")
            if want not in (None, now["metadata"]["resourceVersion"]):
                return self.reply(409, status(409, "Conflict", "the object has been modified"))
            if self.command == "PATCH":
                metadata = obj.pop("metadata", {})
                obj = dict(now, **obj, metadata=dict(now["metadata"], **metadata))
            self.put(path, obj, 200)

    def put(self, path, obj, code):
        version[0] += 1
        obj["metadata"]["resourceVersion"] = str(version[0])
        store[path] = obj
        self.reply(code, obj)


def openssl(*args):
    subprocess.run(("openssl",) + args, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_certificates(folder):
    at = lambda name: os.path.join(folder, name)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", at("ca.key.pem"), "-out", at("ca.pem"), "-subj", "/CN=test ca", "-days", "2")
    for name, subject in (("server", "/CN=api.test"), ("client", "/CN=tester")):
        openssl("req", *key, "-keyout", at(name + ".key.pem"), "-out", at(name + ".csr"), "-subj", subject,
                "-addext", "subjectAltName=DNS:api.test,DNS:localhost")
        openssl("x509", "-req", "-in", at(name + ".csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key.pem"), "-CAcreateserial",
                "-copy_extensions", "copy", "-out", at(name + ".pem"), "-days", "2")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


def main():
    folder = sys.argv[1]
    make_certificates(folder)
    plain = Server(("127.0.0.1", 0), Handler)
    secure = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key.pem"))
    context.load_verify_locations(os.path.join(folder, "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    token = Server(("127.0.0.1", 0), Handler)  # asks for no client certificate
    open_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    open_context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key.pem"))
    token.socket = open_context.wrap_socket(token.socket, server_side=True)
    for server in (plain, secure, token):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(plain.server_address[1], secure.server_address[1], token.server_address[1], flush=True)
    sys.stdin.read()
    done.set()
    os._exit(0)


main()
