# SPDX-License-Identifier: Apache-2.0
"""Real sources of a face that stop and resume: a network camera, a film, a followed CSV."""

import contextlib
import http.server
import itertools
import os
import signal
import threading
import time

import numpy as np
import pytest
from fault_lab import Lab
from launching import own_ros_domain

from robot_face_gen.nodes.messages import to_ns
from robot_face_gen.resources import demo_recording
from robot_face_gen_msgs.msg import FaceFeatures

pytestmark = [pytest.mark.graph, pytest.mark.faults]
FACES = '/openface/features'
PERIOD_S = 0.04


class Source(Lab):
    """A graph with a real node as the source of its face, and the voice of the demo."""

    def __init__(self, folder, openface):
        super().__init__(
            folder, drive=False, openface=openface, audio=str(demo_recording()[1]), loop='true',
            start_delay='0.5',
        )  # fmt: skip
        self.peer.listen(FaceFeatures, FACES)
        self.face_after(time.monotonic())

    def face_after(self, begin_s):
        """When the first face that was seen since then arrived; its stamp is no older."""
        begin_ns = time.time_ns() - round((time.monotonic() - begin_s) * 1e9)
        return self.peer.wait_for(
            lambda: next(
                (at for at, m in self.peer.heard[FACES]
                 if at > begin_s and m.success and to_ns(m.header.stamp) > begin_ns - 10**9),
                None,
            ),
            'a face',
        )  # fmt: skip


def disturbed(lab, note, name, begin, end, seconds):
    """A try: `begin()`, wait, `end()`; then the output is even and the face is seen again."""
    lab.peer.heard[FACES][:-50] = []
    with lab.fault() as found:
        begin()
        time.sleep(seconds)
        end()
        over_s = time.monotonic()
    note(f'{name}: face', 'is used again', seen_again_after_s=lab.face_after(over_s) - over_s)
    return found[0]


@pytest.fixture(scope='module')
def pictures(head):
    """A head that turns to and fro, as JPEG, and a picture of an empty room."""
    import cv2
    from rendered_head import rotation

    from robot_face_gen.camera.geometry import CameraModel

    camera = CameraModel.guess(320, 240)
    yaws = 0.25 * np.sin(np.linspace(0.0, 2.0 * np.pi, 100, endpoint=False))
    images = [
        head.draw(rotation(yaw=yaw), np.array((0.0, 0.0, 0.55)), camera, 320, 240) for yaw in yaws
    ]
    return images, [cv2.imencode('.jpg', image)[1].tobytes() for image in images]


class NetworkCamera(http.server.ThreadingHTTPServer):
    """Pictures over HTTP (MJPEG), as network cameras send them.

    Attributes:
        state: 'on', 'still' (connected, but no picture comes) or 'gone' (not connected).
        change: called with each JPEG, returns what is sent.
    """

    daemon_threads = True

    def __init__(self, pictures):
        self.state, self.pictures, self.change = 'on', pictures, lambda picture: picture
        super().__init__(('127.0.0.1', 0), _CameraStream)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f'http://127.0.0.1:{self.server_address[1]}/stream.mjpg'


class _CameraStream(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        camera = self.server
        if camera.state == 'gone':
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=next')
        self.end_headers()
        with contextlib.suppress(OSError):
            for picture in itertools.cycle(camera.pictures):
                while camera.state == 'still':
                    time.sleep(PERIOD_S)
                if camera.state == 'gone':
                    return
                data = camera.change(picture)
                self.wfile.write(b'--next\r\nContent-Type: image/jpeg\r\nContent-Length: ')
                self.wfile.write(f'{len(data)}\r\n\r\n'.encode() + data + b'\r\n')
                time.sleep(PERIOD_S)

    def log_message(self, *_):
        pass


@pytest.fixture(scope='module')
def camera(pictures, tmp_path_factory):
    server = NetworkCamera(pictures[1])
    with own_ros_domain():
        lab = Source(tmp_path_factory.mktemp('camera'), f'camera:{server.address}')
        yield lab, server
        server.state = 'gone'
        lab.close()
    server.shutdown()
    server.server_close()


def empty_room(_):
    import cv2

    return cv2.imencode('.jpg', np.full((240, 320, 3), 127, np.uint8))[1].tobytes()


CAMERA_FAULTS = {
    'camera_face_node: no pictures': ({'state': 'still'}, 2.5),
    'camera_face_node: camera unplugged': ({'state': 'gone'}, 2.5),
    'camera_face_node: an empty room': ({'change': empty_room}, 2.0),
    'camera_face_node: damaged pictures': (
        {'change': lambda p: p[: len(p) // 2] + os.urandom(99)},
        2.0,
    ),
}


@pytest.mark.parametrize('name', CAMERA_FAULTS)
def test_a_camera_that_stops_and_resumes(camera, attempt, note, name):
    lab, server = camera
    fault, seconds = CAMERA_FAULTS[name]

    def set_all(values):
        for key, value in values.items():
            setattr(server, key, value)

    usual = {key: getattr(server, key) for key in fault}
    attempt(
        lab, name,
        lambda: disturbed(
            lab, note, name, lambda: set_all(fault), lambda: set_all(usual), seconds
        ),
        400.0, 3.0,
    )  # fmt: skip


@pytest.fixture(scope='module')
def film(pictures, tmp_path_factory):
    from films import write_film

    folder = tmp_path_factory.mktemp('film')
    with own_ros_domain():
        lab = Source(folder, f'video:{write_film(folder / "head.mp4", pictures[0])}')
        yield lab
        lab.close()


@pytest.mark.parametrize('number', [signal.SIGSTOP, signal.SIGKILL], ids=['stopped', 'killed'])
def test_a_film_that_stops_and_resumes(film, attempt, note, number):
    what = 'stopped for 2.5 s' if number == signal.SIGSTOP else 'killed'
    name = f'camera_face_node with a film {what}'

    def resume():
        if number == signal.SIGSTOP:
            os.kill(film.pid('camera_face_node'), signal.SIGCONT)

    attempt(
        film, name,
        lambda: disturbed(
            film, note, name, lambda: os.kill(film.pid('camera_face_node'), number), resume, 2.5
        ),
        400.0, 3.0,
    )  # fmt: skip


class Tracker:
    """Writes the CSV of the demo in real time, again and again, as FeatureExtraction does.

    Attributes:
        change: called with each row, returns the text that is written in its place.
    """

    def __init__(self, path):
        self.path, self.change = path, lambda row: row
        self._header, *self._rows = demo_recording()[0].read_text().splitlines()
        names = [name.strip() for name in self._header.split(',')]
        self._frame, self._time = names.index('frame'), names.index('timestamp')
        self._stop = threading.Event()
        self.begin()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def begin(self):
        """Begin the file again: another recording."""
        self._number = 0
        self.path.write_text(self._header + '\n')

    def row(self, number):
        # To and fro: the face does not jump where the recording ends.
        count = len(self._rows)
        place = number % (2 * count - 2)
        cells = self._rows[min(place, 2 * count - 2 - place)].split(',')
        cells[self._frame], cells[self._time] = str(number + 1), f'{number * PERIOD_S:.3f}'
        return ','.join(cells)

    def _write(self):
        due_s = time.monotonic()
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            due_s += PERIOD_S
            text = self.change(self.row(self._number) + '\n')
            self._number += 1
            if text:
                with self.path.open('a') as file:
                    file.write(text)

    def with_time(self, text):
        """A change: another time stamp."""

        def change(row):
            cells = row.split(',')
            cells[self._time] = text
            return ','.join(cells)

        return change

    def close(self):
        self._stop.set()
        self._thread.join()


@pytest.fixture(scope='module')
def followed(tmp_path_factory):
    folder = tmp_path_factory.mktemp('follow')
    tracker = Tracker(folder / 'face.csv')
    with own_ros_domain():
        lab = Source(folder, f'follow:{tracker.path}')
        yield lab, tracker
        lab.close()
    tracker.close()


FILE_FAULTS = {
    'followed CSV stops growing': lambda tracker: lambda row: '',
    'followed CSV with NaN as time': lambda tracker: tracker.with_time('nan'),
    'followed CSV with half rows': lambda tracker: lambda row: row[: len(row) // 2] + '\n',
    'followed CSV with rows of garbage': lambda tracker: lambda row: row[::-1].replace(',', '\0'),
}


@pytest.mark.parametrize('name', FILE_FAULTS)
def test_a_followed_csv_that_stops_and_resumes(followed, attempt, note, name):
    lab, tracker = followed
    usual = tracker.change

    def end():
        tracker.change = usual

    def begin():
        tracker.change = FILE_FAULTS[name](tracker)

    attempt(lab, name, lambda: disturbed(lab, note, name, begin, end, 2.0), 400.0, 3.0)


def test_a_followed_csv_that_begins_again(followed, attempt, note):
    """FeatureExtraction was started again; the second time, its file was removed before."""
    lab, tracker = followed
    name = 'followed CSV begins again'

    def begin():
        tracker.path.unlink()

    attempt(lab, name, lambda: disturbed(lab, note, name, begin, tracker.begin, 0.5), 400.0, 3.0)


def test_a_followed_csv_that_begins_with_nan_as_time(followed, attempt, note):
    lab, tracker = followed
    name = 'followed CSV begins with NaN as time'
    usual = tracker.change

    def begin():
        tracker.change = tracker.with_time('nan')
        tracker.begin()

    def end():
        tracker.change = usual

    attempt(lab, name, lambda: disturbed(lab, note, name, begin, end, 1.0), 400.0, 3.0)
    assert lab.log_since(0).count('process has died') == 0
