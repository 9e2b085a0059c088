"""A Slurm cluster of this machine alone: a controller, and a daemon for each of its nodes, which are made up."""

import getpass
import os
import shutil
import socket
import subprocess
import time

from tests.launch import ROOT, environment

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol")
N_NODES = 4
#: Of each node; Slurm tells Open MPI of cores that it has made up, and a rank that is to sit there does not start.
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
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_min_interval=0
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
    """Its jobs run in a folder, with this Python and this deap_nas."""

    def __init__(self, folder):
        self.folder = folder
        self.jobs = folder / "jobs"
        self._daemons = {}
        self._variables = environment() | {"SLURM_CONF": str(folder / "slurm.conf"), "OMP_NUM_THREADS": "1"}
        del self._variables["PRTE_MCA_rmaps_default_mapping_policy"]  # would put all ranks on the first node

    def __enter__(self):
        self.jobs.mkdir()
        (self.jobs / "examples").symlink_to(ROOT / "examples")
        (self.folder / "state").mkdir()
        ports = free_ports(N_NODES + 1)
        nodes = [NODE.format(n=n, port=ports[n], cpus=N_CPUS) for n in range(1, N_NODES + 1)]
        settings = {"folder": self.folder, "host": socket.gethostname().split(".")[0], "user": getpass.getuser()}
        text = SLURM_CONF.format(**settings, ports=ports, nodes="\n".join(nodes))
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(GRES_CONF)
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
        self.run("scancel", "--user", getpass.getuser(), check=False)
        self.wait_until(lambda: not self.run("squeue", "--noheader", check=False), "no job is left", seconds=30)
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
            daemon.wait(timeout=20)

    def _start(self, program, *options, name=None):
        name = name or program
        with (self.folder / f"{name}.log").open("w") as log:
            arguments = [find(program), "-D", *options]
            self._daemons[name] = subprocess.Popen(arguments, env=self._variables, stdout=log, stderr=log)

    def _is_up(self):
        states = self.run("sinfo", "--noheader", "--Node", "--format=%T", check=False).split()
        return states == ["idle"] * N_NODES

    def run(self, *arguments, check=True):
        """What a command prints, errors after it."""
        done = subprocess.run(
            [find(arguments[0]), *map(str, arguments[1:])],
            env=self._variables, cwd=self.jobs, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout + done.stderr

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
        logs = [(path.name, path.read_text(errors="replace")[-1500:]) for path in self.folder.glob("*.log")]
        return "\n".join([self.run("squeue", check=False), self.output(job) if job else "", *map("\n".join, logs)])


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
