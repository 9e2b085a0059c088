"""A Slurm cluster of this machine alone: a controller, and a daemon for each of its nodes, which are made up."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.launch import ROOT, environment
from tests.slurm import guard

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol")
N_NODES = 4
#: Of each node, for ranks of Open MPI: Slurm would tell it of cores that are made up, and no rank could sit there.
N_CPUS = 2

#: A job that was put back waits for as long as a credential is valid, of which 5 seconds are the least. PMIx makes a
#: folder of the same name on each node, so each has temporary files of its own.
SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
TmpFS={folder}/tmp-%n
ProctrackType=proctrack/linuxproc
{cores}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0
GresTypes=gpu
MpiDefault=none
KillWait=5
ReturnToService=0
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = "NodeName=n{n} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=1000 Gres=gpu:2"
#: The devices need only be there.
GRES_CONF = "".join(f"NodeName=n[1-{N_NODES}] Name=gpu File={device}\n" for device in ("/dev/null", "/dev/zero"))


class Cluster:
    """Its jobs run in a folder, with this Python and this deap_nas; nodes may have cores that are made up."""

    def __init__(self, folder, *, n_cpus=N_CPUS):
        self.folder = folder
        self._n_cpus = n_cpus
        self.jobs = folder / "jobs"
        self._daemons = {}
        places = {"SLURM_CONF": str(folder / "slurm.conf"), "TMPDIR": str(folder / "tmp")}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._variables = environment() | places | {"PATH": path, "OMP_NUM_THREADS": "1"}
        del self._variables["PRTE_MCA_rmaps_default_mapping_policy"]  # would put all ranks on the first node
        self._variables.pop("OMPI_MCA_btl", None)  # for one machine, and Open MPI takes nodes for several

    def __enter__(self):
        self.jobs.mkdir()
        (self.jobs / "examples").symlink_to(ROOT / "examples")
        for name in ("state", "tmp"):
            (self.folder / name).mkdir()
        ports = free_ports(N_NODES + 1)
        nodes = "\n".join(NODE.format(n=n, port=ports[n], cpus=self._n_cpus) for n in range(1, N_NODES + 1))
        settings = {"folder": self.folder, "host": socket.gethostname().split(".")[0], "user": getpass.getuser()}
        cores = "TaskPlugin=task/affinity" if self._n_cpus == N_CPUS else "SlurmdParameters=config_overrides"
        text = SLURM_CONF.format(**settings, ports=ports, nodes=nodes, cores=cores)
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(GRES_CONF)
        command = [sys.executable, guard.__file__, self.folder]
        self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        self._start("slurmctld")
        for n in range(1, N_NODES + 1):
            for kind in ("spool", "tmp"):
                (self.folder / f"{kind}-n{n}").mkdir()
            self._start("slurmd", "-N", f"n{n}", name=f"n{n}")
        try:
            self.wait_until(self._is_up, "the nodes are up", seconds=30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.run("scancel", "--user", getpass.getuser(), check=False)
            self.wait_until(lambda: not self.run("squeue", "--noheader", check=False), "no job is left", seconds=30)
        finally:
            for daemon in reversed(self._daemons.values()):
                daemon.terminate()
                with suppress(subprocess.TimeoutExpired):
                    daemon.wait(timeout=10)
            self._guard.communicate(timeout=20)

    def _start(self, program, *options, name=None):
        name = name or program
        with (self.folder / f"{name}.log").open("w") as log:
            arguments = [find(program), "-D", *options]
            self._daemons[name] = subprocess.Popen(arguments, env=self._variables, stdout=log, stderr=log)

    def _is_up(self):
        states = self.run("sinfo", "--noheader", "--Node", "--format=%T", check=False).split()
        return states == ["idle"] * N_NODES

    def run(self, *arguments, check=True):
        """What a command prints, errors after it; one that takes longer than a minute is ended, and has failed."""
        done = subprocess.run(
            ["timeout", "--kill-after=5", "60", find(arguments[0]), *map(str, arguments[1:])],
            env=self._variables, cwd=self.jobs, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        text = done.stdout + done.stderr
        assert done.returncode == 0 or not check, f"{arguments}: status {done.returncode}\n{text}\n{self._logs()}"
        return text

    def submit(self, script, *options):
        """Submit a file of the folder of the jobs; gives the number of the job."""
        return self.run("sbatch", "--parsable", *options, script).strip()

    def facts(self, job):
        """What Slurm knows of a job."""
        return dict(
            word.split("=", 1) for word in self.run("scontrol", "show", "job", "--oneliner", job).split() if "=" in word
        )

    def output(self, job):
        path = self.jobs / f"slurm-{job}.out"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def wait_for(self, job, *states, restarts=0, seconds=120):
        """Wait until a job is in one of some states, after so many restarts at least; gives what it has written."""

        def is_there():
            facts = self.facts(job)
            return facts["JobState"] in states and int(facts["Restarts"]) >= restarts

        self.wait_until(is_there, f"job {job} is {states}, queued again {restarts} times", job=job, seconds=seconds)
        return self.output(job)

    def wait_until(self, condition, what, *, job=None, seconds=120):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not so in {seconds} s: {what}\n{self.reasons(job)}"
            time.sleep(0.2)

    def reasons(self, job):
        return "\n".join([self.run("squeue", check=False), self.output(job) if job else "", self._logs()])

    def _logs(self):
        paths = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in paths)


def what_is_missing():
    """Why no cluster can be started here; empty where one can."""
    missing = [program for program in PROGRAMS if not os.path.exists(find(program))]
    if missing:
        return f"Slurm is not installed: {', '.join(missing)} not found"
    return "" if len(os.sched_getaffinity(0)) >= N_CPUS else f"a node of {N_CPUS} cores is needed"


def find(program):
    """Path of a program; the daemons may be in a folder that is in root's PATH only."""
    return shutil.which(program) or shutil.which(program, path=f"{os.defpath}:/usr/sbin:/usr/local/sbin") or program


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
