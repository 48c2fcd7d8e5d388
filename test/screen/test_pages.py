# SPDX-License-Identifier: Apache-2.0
"""The pages in headless Chromium."""

import re

import numpy as np
import pytest
from browser import chromium, open_page, picture
from launching import until
from screen_server import make_face, screen

from robot_face_gen.layout import AU, AU_NAMES
from robot_face_gen.screen.settings import COLOURS, SKINS

FULL = 5.0
# Where each action unit moves the face: from and to, share of the head's height from its top.
EYES, BROWS, MOUTH = (0.15, 0.6), (0.0, 0.5), (0.55, 1.1)
PLACES = {
    'AU01': BROWS, 'AU02': BROWS, 'AU04': BROWS, 'AU05': EYES, 'AU06': (0.2, 0.75),
    'AU07': EYES, 'AU09': (0.2, 0.85), 'AU10': (0.5, 0.9), 'AU12': (0.35, 1.0), 'AU14': MOUTH,
    'AU15': MOUTH, 'AU17': MOUTH, 'AU20': MOUTH, 'AU23': MOUTH, 'AU25': MOUTH, 'AU26': MOUTH,
    'AU45': EYES, 'AU28': MOUTH,
}  # fmt: skip


@pytest.fixture(scope='module')
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope='module')
def shown():
    with screen() as found:
        yield found


@pytest.fixture
def face_page(browser, shown):
    shown.show(make_face())
    with open_page(browser, f'{shown.address}?still=1') as page:
        wait_for_face(page, 'face.live')
        yield page


def wait_for_face(page, condition):
    page.wait_for_function(
        f'() => {{ const {{ face }} = robotFace; return face && {condition}; }}'
    )


def still_picture(page, shown, face, condition):
    """A picture of the page that shows `face` and has finished to move."""
    shown.show(face)
    wait_for_face(page, condition)
    page.evaluate(
        '() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))'
    )
    return picture(page)


def test_the_face_moves_with_the_reaction(face_page, shown):
    rest = still_picture(face_page, shown, make_face(), 'face.au[8] === 0')
    smile = still_picture(face_page, shown, make_face(AU12=4), 'face.au[8] === 4')
    assert (np.abs(smile - rest).max(axis=2) > 40).sum() > 500
    back = still_picture(face_page, shown, make_face(), 'face.au[8] === 0')
    assert (np.abs(back - rest).max(axis=2) > 40).sum() < 50


@pytest.fixture(scope='module', params=SKINS)
def drawn(request, browser):
    """Pictures of a face at rest and with each action unit at full strength, without motion."""
    with screen() as shown, open_page(browser, shown.address) as page:
        page.evaluate(
            """async (skin) => {
              window.requestAnimationFrame = () => 0;  // the page's own drawing ends
              const { FacePainter } = await import('/static/skins.js');
              const canvas = document.createElement('canvas');
              document.querySelector('main').replaceChildren(canvas);
              const painter = new FacePainter(canvas, { skin });
              const still = { pose: [0, 0, 0, 0.6], gaze: [0, 0], lean: 1, live: true };
              window.draw = (au) => painter.draw({ au, ...still });
            }""",
            request.param,
        )
        found = {}
        for name in ('rest', *AU_NAMES):
            au = [0.0] * len(AU_NAMES)
            if name != 'rest':
                au[AU[name]] = 1.0 if name == 'AU28' else FULL
            page.evaluate('(au) => draw(au)', au)
            found[name] = picture(page)
    return found


@pytest.mark.parametrize('name', AU_NAMES)
def test_each_action_unit_moves_its_part_of_the_face(drawn, name):
    moved = np.abs(drawn[name] - drawn['rest']).max(axis=2) > 24
    rows, columns = np.nonzero(moved)
    assert moved.sum() > 150, 'it cannot be seen'
    # Symmetric, and where FACS says.
    assert abs(columns.mean() / moved.shape[1] - 0.5) < 0.03
    top, bottom = 0.14 * 480, 0.83 * 480  # of the head in this picture
    low, high = np.quantile((rows - top) / (bottom - top), (0.1, 0.9))
    begin, end = PLACES[name]
    assert begin <= low and high <= end, (low, high)


def test_action_units_differ_from_each_other(drawn):
    names = list(AU_NAMES)
    for i, one in enumerate(names):
        for two in names[:i]:
            different = np.abs(drawn[one] - drawn[two]).max(axis=2) > 24
            assert different.sum() > 150, (one, two)


@pytest.mark.parametrize(
    ('pose', 'gaze', 'axis', 'sign'),
    [
        # OpenFace: positive Ry turns to the left of the picture, positive Rx down, Rz clockwise.
        ([0, 0.3, 0, 0.6], [0, 0], 0, -1),
        ([0, -0.3, 0, 0.6], [0, 0], 0, 1),
        ([0.3, 0, 0, 0.6], [0, 0], 1, 1),
        ([-0.3, 0, 0, 0.6], [0, 0], 1, -1),
    ],
)
def test_the_head_turns_as_openface_measures(face_page, pose, gaze, axis, sign):
    nose, eyes = face_page.evaluate(
        """async ([pose, gaze]) => {
          const { shapeOf } = await import('/static/shape.js');
          const still = { au: new Float32Array(18), pose: [0, 0, 0, 0.6], gaze: [0, 0], lean: 1 };
          const draw = (face) => shapeOf(480, 480, face);
          const [turned, rest] = [draw({ ...still, pose, gaze }), draw(still)];
          const moved = (read) => [0, 1].map((i) => read(turned)[i] - read(rest)[i]);
          const inEye = ({ eyes: [eye] }) => eye.iris.map((at, i) => at - eye.lower[8][i]);
          return [moved((found) => found.nose.tip), moved(inEye)];
        }""",
        [pose, gaze],
    )
    assert sign * nose[axis] > 20
    # The gaze stays on the camera: in the head, the eyes turn the other way.
    assert sign * eyes[axis] < -3


def test_the_gaze_moves_the_eyes(face_page):
    moved = face_page.evaluate(
        """async () => {
          const { shapeOf } = await import('/static/shape.js');
          const still = { au: new Float32Array(18), pose: [0, 0, 0, 0.6], lean: 1 };
          const eyes = (gaze) => shapeOf(480, 480, { ...still, gaze }).eyes;
          const irises = (gaze) => eyes(gaze).map((eye) => eye.iris);
          const [rest, right, down] = [[0, 0], [0.3, 0], [0, 0.3]].map(irises);
          return [0, 1].flatMap((i) => [right[i][0] - rest[i][0], down[i][1] - rest[i][1]]);
        }"""
    )
    assert min(moved) > 8


def run_motion(page, script):
    """Run the page's Motion with a clock of ours; `script` pushes faces and returns numbers."""
    return page.evaluate(
        """async () => {
          const { Motion } = await import('/static/motion.js');
          const motion = new Motion();
          const face = (time, au45 = 0, au12 = 0) => {
            const au = new Float32Array(18);
            [au[16], au[8]] = [au45, au12];
            const [pose, gaze] = [new Float32Array([0, 0, 0, 0.6]), new Float32Array(2)];
            return { time, au, pose, gaze, flag: true };
          };
        """
        + script
        + '}'
    )


def test_quick_blinks_are_not_smoothed_away(face_page):
    """A blink of 0.2 s at 25 Hz, shown at 60 Hz, arriving with 15 ms of jitter."""
    shown = run_motion(
        face_page,
        """
        const blink = [0, 1.7, 3.5, 2.2, 0.7];
        const shown = [];
        let next = 0;
        for (let i = 0; i < 240; i += 1) {
          const now = 100 + i / 60;
          while (next * 0.04 + 0.015 * ((next * 7) % 3) / 2 <= now - 100) {
            motion.push(face(5 + next * 0.04, blink[next - 50] ?? 0), now);
            next += 1;
          }
          shown.push(motion.at(now).au[16]);
        }
        return shown;
        """,
    )
    shown = np.array(shown[60:])  # after the start
    assert shown.max() > 0.9 * 3.5
    closed = np.flatnonzero(shown > 1.0) / 60
    assert 0.06 < closed[-1] - closed[0] < 0.2


def test_without_a_connection_the_face_eases_to_neutral_and_blinks(face_page):
    shown = run_motion(
        face_page,
        """
        const shown = [];
        for (let i = 0; i < 60 * 30; i += 1) {
          const now = i / 60;
          if (now < 2 && i % 2 === 0) motion.push(face(now, 0, 4), now);
          const { au } = motion.at(now);
          shown.push([au[8], au[16]]);
        }
        return shown;
        """,
    )
    smile, blink = np.array(shown).T
    assert smile[110] == pytest.approx(4.0)
    assert np.abs(np.diff(smile[60:])).max() < 0.15  # no jump
    np.testing.assert_allclose(smile[4 * 60 :], 0.7, atol=1e-3)
    assert blink[:110].max() == 0.0  # the robot's own blinks only
    begins = np.flatnonzero((blink[1:] > 2.5) & (blink[:-1] <= 2.5))
    assert 3 <= len(begins) <= 25
    assert np.diff(begins).std() > 5  # varied


def test_the_face_is_live_again_after_a_restart_of_the_server(browser):
    with screen() as first:
        port = first.port
        first.show(make_face(AU12=3))
        with open_page(browser, first.address) as page:
            wait_for_face(page, 'face.au[8] > 2.9')
            first.close()
            page.wait_for_function("() => document.body.dataset.link === 'closed'")
            wait_for_face(page, '!face.live && face.au[8] < 1')
            page.problems.clear()  # Chromium reports the refused connections
            with screen(port=port) as second:
                second.show(make_face(AU12=2))
                page.wait_for_function("() => document.body.dataset.link === 'open'")
                wait_for_face(page, 'face.live && Math.abs(face.au[8] - 2) < 0.01')
                assert all('ERR_CONNECTION' in text for text in page.problems)
                page.problems.clear()


def test_several_viewers_see_the_same_face(browser, shown):
    shown.show(make_face(AU26=3))
    with (
        open_page(browser, shown.address) as one,
        open_page(browser, f'{shown.address}?skin=person') as two,
        open_page(browser, f'{shown.address}inspect') as three,
    ):
        for page in (one, two):
            wait_for_face(page, 'face.live && face.au[15] > 2.9')
        three.wait_for_function(
            '() => robotFace.state.listener && robotFace.state.listener.au[15] > 2.9'
        )
        until(lambda: (shown.server.viewers, shown.server.inspectors) == (3, 1))


def test_skins_and_colours_differ(browser, shown):
    shown.show(make_face())
    pictures = {}
    for query in (
        *(f'skin={skin}' for skin in SKINS),
        *(f'colour={name}' for name in COLOURS[1:]),
    ):
        with open_page(browser, f'{shown.address}?still=1&{query}') as page:
            wait_for_face(page, 'face.live')
            pictures[query] = picture(page)
    names = list(pictures)
    for i, one in enumerate(names):
        for two in names[:i]:
            assert np.abs(pictures[one] - pictures[two]).mean() > 3, (one, two)


def test_an_unknown_skin_shows_the_default_one(browser, shown):
    with open_page(browser, f'{shown.address}?skin=x&colour=__proto__') as page:
        wait_for_face(page, 'face.live')


def test_the_face_fits_a_phone_and_a_wide_screen(browser, shown):
    shown.show(make_face())
    for width, height in ((360, 740), (740, 360), (1600, 500)):
        size = {'width': width, 'height': height}
        with open_page(browser, f'{shown.address}?still=1&skin=glow', viewport=size) as page:
            wait_for_face(page, 'face.live')
            lit = picture(page).max(axis=2) > 40
            rows, columns = np.nonzero(lit)
            assert rows.min() > 0 and rows.max() < height - 1
            assert columns.min() > 0 and columns.max() < width - 1
            assert max(np.ptp(rows) / height, np.ptp(columns) / width) > 0.6


@pytest.fixture
def inspector(browser, shown):
    shown.show(make_face(AU12=2.5))
    shown.commands.clear()
    shown.refusal = ''
    shown.server.send_text(
        'parameters',
        nodes=[
            {
                'node': '/reaction_node',
                'rows': [
                    {'name': 'temperature', 'value': 1.0, 'low': 0.0, 'high': 10.0,
                     'whole': False, 'unit': '', 'text': 'Scale'},
                    {'name': 'hop', 'value': 1, 'low': 1, 'high': 16, 'whole': True,
                     'unit': 'frames of 40 ms', 'text': 'Frames'},
                ],
            }
        ],
        enable=True,
        remember=True,
    )  # fmt: skip
    size = {'width': 1280, 'height': 900}
    with open_page(browser, f'{shown.address}inspect', viewport=size) as page:
        page.wait_for_function('() => robotFace.state.listener')
        yield page


def cell(page, row, column):
    return page.locator('#units tbody tr', has_text=row).locator('td').nth(column).inner_text()


def test_values_of_both_faces_are_shown_and_missing_ones_named(inspector, shown):
    speaker = make_face(AU04=1.5)
    speaker['au'][AU['AU06']] = np.nan
    speaker['pose'][0] = -0.0005  # rad: not -0 degrees

    def shows(find, expected):
        """Wait for a text; the speaker's face is sent meanwhile."""
        until(lambda: shown.send_speaker(speaker, flag=True, confidence=0.9) or
              expected in find(), what=expected)  # fmt: skip

    shows(lambda: [cell(inspector, 'AU04', 0)], '1.5')
    shows(lambda: [cell(inspector, 'AU12', 1)], '2.5')
    shows(lambda: [cell(inspector, 'AU06', 0)], 'none')
    shows(lambda: [cell(inspector, 'head pitch', 0)], '0')
    pitch = inspector.locator('.plot', has_text='head pitch').locator('span')
    shows(lambda: [pitch.inner_text()], '0.0 / 0.0 °')
    tracker = inspector.locator('#tracker')
    shows(tracker.inner_text, 'face found, confidence 0.90')
    shows(tracker.inner_text, '1 of 24 values missing')
    until(lambda: shown.send_speaker(speaker, flag=False, confidence=0.1) or
          'no face' in inspector.locator('#tracker').inner_text())  # fmt: skip
    assert cell(inspector, 'AU04', 0) == 'none'
    until(lambda: inspector.locator('#tracker').inner_text() == 'no data')


def test_a_slider_sets_a_parameter_and_a_refusal_is_shown(inspector, shown):
    slider = inspector.get_by_label('hop')
    number = inspector.locator('.setting', has_text='hop').locator('output')
    assert number.inner_text() == '1 frame of 40 ms'
    slider.fill('3')
    assert number.inner_text() == '3 frames of 40 ms'
    until(lambda: shown.commands)
    command = shown.commands[-1]
    assert (command.node, command.name, command.value) == ('/reaction_node', 'hop', 3)
    inspector.wait_for_function(
        "() => document.querySelector('#result').textContent.includes('set')"
    )
    shown.refusal = 'hop = 4: the model is busy'
    slider.fill('4')
    refused = inspector.locator('#result', has_text='refused: hop = 4: the model is busy')
    refused.wait_for()
    assert slider.input_value() == '1'  # what the node has


def test_the_switch_asks_for_the_actuators(inspector, shown):
    inspector.get_by_role('switch').click()
    until(lambda: shown.commands)
    assert (shown.commands[-1].kind, shown.commands[-1].value) == ('enable', True)


def test_diagnostics_are_shown_and_silence_is_noticed(inspector, shown):
    status = {
        'name': 'reaction_node',
        'level': 1,
        'message': '<b>nothing</b> on /audio',
        'values': [['reactions_out_hz', '25.00'], ['latency_p50_ms', '21.4'],
                   ['latency_p99_ms', '30.6'], ['dropped', '7']],
    }  # fmt: skip
    shown.server.send_text('diagnostics', statuses=[status])
    row = inspector.locator('#streams tbody tr')
    row.wait_for()
    text = re.sub(r'\s+', ' ', row.inner_text())
    assert text == 'reaction_node warning reactions_out 25.0 latency 21 / 31 dropped 7'
    assert '<b>nothing</b> on /audio' in inspector.locator('#diagnostics').inner_text()
    inspector.wait_for_function(
        "() => document.querySelector('#diagnostics').textContent.includes('no report for')"
    )


def test_a_recording_is_shown_on_both_pages(face_page, inspector, shown):
    for text in ('recording', ''):
        shown.server.send_text('note', text=text, to_all=True)
        for page, place in ((face_page, '#note'), (inspector, '#recording')):
            page.locator(place).wait_for(state='visible' if text else 'hidden')


def test_plots_are_drawn_and_can_be_paused(inspector, shown):
    count = 'document.querySelectorAll("#plots canvas").length'
    assert inspector.evaluate(count) == 9
    shown.server.send_text('level', rms=0.1, peak=0.3)
    inspector.locator('.plot', has_text='-20 dB').wait_for()
    assert inspector.evaluate(
        """() => { const canvas = document.querySelector('#plots canvas');
           const pen = canvas.getContext('2d');
           const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
           return data.some((value) => value > 0); }"""
    )
    button = inspector.get_by_role('button', name='Pause')
    button.click()
    assert button.get_attribute('aria-pressed') == 'true'


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_the_inspector_is_accessible(inspector, shown, scheme):
    axe = pytest.importorskip('axe_playwright_python.sync_playwright')
    status = {'name': 'reaction_node', 'level': 2, 'message': 'bad', 'values': [['a', 'b']]}
    shown.server.send_text('diagnostics', statuses=[status])
    inspector.locator('#streams tbody tr').wait_for()
    inspector.emulate_media(color_scheme=scheme)
    found = axe.Axe().run(inspector)
    assert found.violations_count == 0, found.generate_report()
    assert found.response['passes']


def test_reduced_motion_is_respected(browser, shown):
    """Plots are drawn once a second instead of 20 times."""
    shown.show(make_face())
    drawn = {}
    for motion in ('no-preference', 'reduce'):
        with open_page(browser, f'{shown.address}inspect', reduced_motion=motion) as page:
            drawn[motion] = page.evaluate(
                """async () => {
                  const clear = CanvasRenderingContext2D.prototype.clearRect;
                  let count = 0;
                  CanvasRenderingContext2D.prototype.clearRect = function (...words) {
                    count += this.canvas.closest('.plot') !== null;
                    return clear.apply(this, words);
                  };
                  await new Promise((done) => setTimeout(done, 2200));
                  return count;
                }"""
            )
    assert drawn['reduce'] <= 9 * 3 < drawn['no-preference']


def test_the_inspector_fits_a_phone(browser, shown):
    size = {'width': 360, 'height': 740}
    with open_page(browser, f'{shown.address}inspect', viewport=size) as page:
        page.wait_for_function('() => robotFace.state.listener')
        assert page.evaluate('document.documentElement.scrollWidth') <= 360
