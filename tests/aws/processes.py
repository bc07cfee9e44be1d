"""The endpoint's processes: a root that only waits, and one that serves; saved states are forks.

`save` forks: the child goes on serving, the parent stays as it is, as the saved state, until it is
told to fork again (`restore`), while the one that served until then ends. So a state costs no code
to copy it, and some milliseconds to come back to. `spawn` forks a second server, on a port of its
own, that begins with a copy of this one's world.

The listening socket is shared by all of them, and only the one that serves accepts. Two pipes tie
them together: `life`, whose writing end the root alone has, tells them that the root is gone;
`alive`, whose writing end all of them have, tells the root that they are.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

from .identity import ACCESS_KEY, SECRET_KEY
from .seed import REGION
from .warm import warm

if TYPE_CHECKING:
    from .front import Front, Handler

POLL_SECONDS = 0.02
STOP_SECONDS = 5.0
# Looking for garbage in cycles writes to every object that it looks at, which then is a copy.
RARELY = (20_000, 50, 1000)
THAW, DROP = b"t", b"d"


class Processes:
    """What a process of the endpoint knows of the others."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.life_read, self.life_write = os.pipe()
        self.alive_read, self.alive_write = os.pipe()
        self.saved: dict[str, int] = {}  # the pipes by which saved states are told what to do

    # --- the root ---

    def run(self) -> int:
        """In the root: have a child serve until a signal comes; the exit code."""
        # Before the fork: the child must not be able to miss a signal, nor the root its death.
        stop_read, stop_write = os.pipe()
        os.set_blocking(stop_write, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os.write(stop_write, b"s"))
        gc.collect()
        gc.set_threshold(*RARELY)
        gc.enable()
        gc.freeze()  # what is shared with the children stays so
        if os.fork() == 0:
            os.close(stop_read)
            os.close(stop_write)
            os.close(self.life_write)
            os.close(self.alive_read)
            self.serve()
        url = f"http://127.0.0.1:{self.front.server_address[1]}"
        # In one write: who reads only the first line may have closed the pipe before a second one.
        lines = (f"{url}\nexport AWS_ENDPOINT_URL={url} AWS_ACCESS_KEY_ID={ACCESS_KEY}"
                 f" AWS_SECRET_ACCESS_KEY={SECRET_KEY} AWS_REGION={REGION}"
                 f" AWS_DEFAULT_REGION={REGION}\n")
        os.write(1, lines.encode())
        os.close(self.alive_write)
        self.front.socket.close()
        select.select([stop_read, self.alive_read], [], [])
        os.close(self.life_write)
        gone = select.select([self.alive_read], [], [], STOP_SECONDS)[0]
        stopped = bool(select.select([stop_read], [], [], 0)[0])
        return 0 if gone and stopped else 1

    # --- the others ---

    def serve(self) -> None:
        """In a child: serve; never returns."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        threading.Thread(target=self._end_with_the_root, daemon=True).start()
        self.front.world.clock.resume()
        self.front.listen()  # it may have been refusing when its state was saved
        try:
            self.front.serve_forever(POLL_SECONDS)
            threading.Event().wait()  # a thread saves or restores, and ends this process
        finally:
            os._exit(1)

    def _end_with_the_root(self) -> None:
        os.read(self.life_read, 1)
        os._exit(0)

    def save(self, name: str, handler: Handler) -> None:
        """Keep this state under a name. Returns in no process."""
        front = self.front
        front.shutdown()
        front.connections_close(handler.connection)
        front.world.clock.hold()
        if name in self.saved:
            os.write(self.saved[name], DROP)
            os.close(self.saved[name])
        told, self.saved[name] = os.pipe()
        warm(front.dispatcher)
        gc.freeze()
        if os.fork() == 0:
            self._go_on(told)
        handler.answer_json(200, {"saved": name})
        handler.connection.shutdown(socket.SHUT_RDWR)
        while os.read(told, 1) == THAW:
            if os.fork() == 0:
                self._go_on(told)
        os._exit(0)

    def _go_on(self, told: int) -> None:
        """In the child of a saved state, which holds the lock: serve."""
        os.close(told)
        self.front.connections_forget()
        self.front.lock.release()
        self.serve()

    def restore(self, name: str, handler: Handler) -> None:
        """Have the saved state of that name serve in this one's place. Returns only to refuse."""
        if name not in self.saved:
            handler.answer_json(400, {"error": f"no state has been saved as '{name}'"})
            return
        self.front.shutdown()
        self.front.connections_close(handler.connection)
        os.write(self.saved[name], THAW)
        handler.answer_json(200, {"restored": name})
        os._exit(0)

    def spawn(self) -> dict[str, Any]:
        """Another server, of a copy of this world; its URL."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        port = listener.getsockname()[1]
        front = self.front
        front.world.clock.hold()
        gc.freeze()
        if os.fork() == 0:
            front.socket.close()
            front.socket = listener
            front.server_address = ("127.0.0.1", port)
            self.saved.clear()
            front.connections_forget()
            front.lock.release()
            self.serve()
        listener.close()
        front.world.clock.resume()
        return {"url": f"http://127.0.0.1:{port}"}

    def stop(self, handler: Handler) -> None:
        """End this process, which `spawn` made, and the states that it saved."""
        for told in self.saved.values():
            os.write(told, DROP)
        handler.answer_json(200, {})
        os._exit(0)
