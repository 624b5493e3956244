"""relay.py FILE [HOST PORT]: listens on a free port of the loopback, which it writes to FILE, and relays each connection to HOST PORT.
Without those it accepts connections and never reads from them, as a server that hangs."""
import os
import socket
import sys
import threading


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def main():
    path, *target = sys.argv[1:]
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    with open(path + ".new", "w", encoding="ascii") as out:
        out.write(str(listener.getsockname()[1]))
    os.rename(path + ".new", path)
    kept = []
    while True:
        client, _ = listener.accept()
        kept.append(client)
        if not target:
            continue
        server = socket.create_connection((target[0], int(target[1])))
        for pair in ((client, server), (server, client)):
            threading.Thread(target=copy, args=pair, daemon=True).start()


main()
