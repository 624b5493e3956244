"""witness.py HOST:PORT LOG: forwards connections from an ephemeral loopback port, which it prints, and logs each HTTP request.

A line of the log is "SECONDS METHOD TARGET". Bytes pass unchanged; only what clients send is looked at. It ends with its standard input.
"""
import re
import socket
import sys
import threading
import time

host, port = sys.argv[1].rsplit(":", 1)
log = open(sys.argv[2], "a", buffering=1)
REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE) (/\S*) HTTP/1\.1\r\n")


def forward(source, target, note):
    rest = b""
    try:
        while data := source.recv(65536):
            if note:
                rest += data
                end = 0
                for match in REQUEST.finditer(rest):
                    log.write(f"{time.time():.3f} {match[1].decode()} {match[2].decode()}\n")
                    end = match.end()
                rest = rest[end:][-4096:]
            target.sendall(data)
    except OSError:
        pass
    for s in (source, target):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(listener):
    while True:
        client, _ = listener.accept()
        server = socket.create_connection((host, int(port)))
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=forward, args=(client, server, True), daemon=True).start()
        threading.Thread(target=forward, args=(server, client, False), daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0), backlog=64)
print(listener.getsockname()[1], flush=True)
threading.Thread(target=serve, args=(listener,), daemon=True).start()
sys.stdin.buffer.read()
