"""The newcomer's demonstration: alerts appear, and a signal to the script alone stops everything."""
import os
import signal
import subprocess

import kit
from kit import Server, test, wait_for


def play(signal_number):
    with kit.temporary() as folder:
        server = Server(data=os.path.join(folder, "data"))
        script = subprocess.Popen(["tools/demo.sh"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                                  env={**os.environ, "TOCSIN_DATA": server.data, "TOCSIN_LISTEN": f"127.0.0.1:{server.port}"})
        try:
            server.process = script
            server.wait_ready()
            wait_for("a brute force and a lockout", lambda: {"BRUTE_FORCE_ATTACK", "ACCOUNT_LOCKOUT"} <= {a["title"] for a in server.alerts()}, 40)
            script.send_signal(signal_number)
            output = script.communicate(timeout=20)[0].decode()
        finally:
            if script.poll() is None:
                os.killpg(script.pid, signal.SIGKILL)
        assert script.returncode == 0, (script.returncode, output[-500:])
        assert f"http://127.0.0.1:{server.port}/" in output and "curl" in output and "BRUTE_FORCE_ATTACK" in output, output[-800:]
        try:
            server.get("/-/healthy")
            raise AssertionError("the server still answers")
        except OSError:
            pass


@test("the demonstration raises alerts in the terminal; SIGTERM to the script alone stops it")
def terminate():
    play(signal.SIGTERM)


@test("the demonstration ends on Ctrl-C")
def interrupt():
    play(signal.SIGINT)


kit.main()
