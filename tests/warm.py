"""Programs in processes that find torch imported: forks of one that has imported it, and has done nothing else.

Importing takes most of the time of a small program that trains. A program in a fork is otherwise as good as one that a
shell starts: it has its own arguments, folder, output and exit status, and no trace of the tests.
"""

import atexit
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import types
from pathlib import Path
from select import select
from tempfile import TemporaryFile

#: What programs of the tests import sooner or later. Nothing of the package: it is imported anew.
PRELOADED = (
    "torch",
    "torch._dynamo",
    "torch.optim",
    "sklearn.datasets",
    "matplotlib.pyplot",
    "h5py",
    "deap.tools",
    "PIL.Image",
)


class Nursery:
    """Starts programs as forks of a process of its own, one at a time.

    Args:
        launcher: what the command of that process begins with.
        environment: of the programs.
    """

    def __init__(self, launcher, environment):
        self._launcher = launcher
        self._environment = environment
        self._process = None

    def run(self, arguments, *, cwd, timeout):
        """Run a Python program to its end, as :func:`subprocess.run` does."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        with TemporaryFile() as out, TemporaryFile() as err:
            paths = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in (out, err)]
            request = {"arguments": list(map(str, arguments)), "cwd": str(cwd), "paths": paths}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            if not select([self._process.stdout], [], [], timeout)[0]:
                self.close()
                raise subprocess.TimeoutExpired(arguments, timeout)
            status = int(self._process.stdout.readline())
            texts = [_text(file) for file in (out, err)]
        return subprocess.CompletedProcess([sys.executable, *map(str, arguments)], status, *texts)

    def _start(self):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [*self._launcher, sys.executable, "-m", "tests.warm"]
        root = Path(__file__).parent.parent
        self._process = subprocess.Popen(command, env=self._environment, cwd=root, start_new_session=True, **pipes)
        atexit.register(self.close)

    def close(self):
        """End the process, and what it may have started."""
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                pipe.close()
            self._process.wait()
            self._process = None


def _text(file):
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def serve():
    """Do as a nursery asks, line by line."""
    for name in PRELOADED:
        __import__(name)
    requests, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    for line in requests:
        child = os.fork()
        if child == 0:
            requests.close()
            answers.close()
            become(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def become(arguments, cwd, paths):
    """Be the program, to its end."""
    for number, path in enumerate(("/dev/null", *paths)):
        file = os.open(path, os.O_RDWR | (0 if number == 0 else os.O_APPEND))
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    tempfile.tempdir = None
    status = 0
    try:
        _run_as_main(arguments)
    except SystemExit as error:
        status = _status_of(error.code)
    except BaseException as error:
        sys.excepthook(type(error), error, _from_program(error.__traceback__))
        status = 130 if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _run_as_main(arguments):
    if arguments[0] == "-m":
        sys.argv, sys.path[0] = arguments[1:], os.getcwd()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    main = types.ModuleType("__main__")
    main.__file__, main.__builtins__ = arguments[0], __builtins__
    sys.modules["__main__"] = main
    sys.argv, sys.path[0] = arguments, str(Path(arguments[0]).resolve().parent)
    exec(compile(Path(arguments[0]).read_bytes(), arguments[0], "exec"), main.__dict__)


def _status_of(code):
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)
    return 1


def _from_program(trace):
    """A traceback without what has started the program."""
    while trace.tb_next is not None and trace.tb_frame.f_code.co_filename in (__file__, "<frozen runpy>"):
        trace = trace.tb_next
    return trace


if __name__ == "__main__":
    serve()
