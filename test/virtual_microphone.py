# SPDX-License-Identifier: Apache-2.0
"""A microphone without a sound card: a private PulseAudio whose sink is heard by its monitor."""

import ctypes.util
import os
import shutil
import subprocess
import time
from pathlib import Path

RATE = 16000
_ASOUND = """\
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse }
ctl.!default { type pulse }
"""


def missing():
    """What this machine lacks for it; '' where nothing is missing."""
    for program in ('pulseaudio', 'pacat', 'pactl'):
        if shutil.which(program) is None:
            return f'{program} is not installed'
    if not list(Path('/usr/lib').glob('**/alsa-lib/libasound_module_pcm_pulse.so')):
        return "ALSA's plugin for PulseAudio is not installed"
    if ctypes.util.find_library('portaudio') is None:
        return 'PortAudio is not installed'
    return ''


class VirtualMicrophone:
    """Starts and kills the sound server; `environment` is for those who listen to it."""

    def __init__(self, folder):
        self._folder, self._players, self.server = folder, [], None
        (folder / 'asound.conf').write_text(_ASOUND)
        self.environment = {
            'ALSA_CONFIG_PATH': str(folder / 'asound.conf'),
            'PULSE_SERVER': f'unix:{folder}/native',
            'PULSE_RUNTIME_PATH': str(folder),
            'PULSE_STATE_PATH': str(folder),
            'PULSE_COOKIE': str(folder / 'cookie'),
        }

    def _start(self, *command, log='players.log', **options):
        with (self._folder / log).open('ab') as file:
            return subprocess.Popen(
                command, env=os.environ | self.environment, stdout=file, stderr=file, **options
            )

    def start(self):
        self.server = self._start(
            'pulseaudio', '-n', '--daemonize=no', '--exit-idle-time=-1', '--use-pid-file=no',
            '--high-priority=no', '--realtime=no', '--log-target=stderr',
            '-L', f'module-native-protocol-unix auth-anonymous=1 socket={self._folder}/native',
            '-L', f'module-null-sink sink_name=room rate={RATE} channels=1 format=float32le',
            log='server.log')  # fmt: skip
        deadline = time.monotonic() + 20
        while self._start('pactl', 'set-default-source', 'room.monitor').wait(20):
            assert self.server.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def log(self):
        return (self._folder / 'server.log').read_text(errors='replace')

    def play(self, samples):
        """Play mono float32 samples of RATE into the room, at their own pace."""
        path = self._folder / f'{len(self._players)}.raw'
        path.write_bytes(samples.astype('<f4').tobytes())
        command = ('pacat', '--playback', '--device=room', '--format=float32le', f'--rate={RATE}',
                   '--channels=1', '--latency-msec=50', str(path))  # fmt: skip
        self._players.append(self._start(*command))
        return self._players[-1]

    def kill(self):
        """The sound server dies at once, as with a crash."""
        for process in (self.server, *self._players):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        (self._folder / 'native').unlink(missing_ok=True)
