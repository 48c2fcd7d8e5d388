# SPDX-License-Identifier: Apache-2.0
"""Phrases of everyday talk in several languages, for synthesisers; combined from parts."""

from __future__ import annotations

import numpy as np

# Language: templates; each {n} is replaced by one word of the n-th list.
_PARTS: dict[str, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    'en': (
        (
            '{0} {1} {2} {3}.', '{1} {2} {3}, {4}.', '{0} {1} {2} {3}, {4}.', '{1} {2} {3}.',
            'Do you think {1} {2} {3}?', 'And {1} {2} {3}?', '{4}!', 'You know, {4}.',
            'What would you say if {1} {2} {3}?', '{0} {4}, {1} {2} {3}.',
        ),
        (
            ('so', 'well', 'and then', 'of course', 'at first', 'you see', 'honestly', 'anyway',
             'last summer', 'on Monday', 'after a while', 'this morning', 'in the end'),
            ('we', 'my brother', 'the old teacher', 'everyone at work', 'my neighbour Anna',
             'they', 'I', 'her little boy', 'the people next door', 'some of us'),
            ('moved', 'carried', 'found', 'forgot', 'finally bought', 'talked about', 'watched',
             'left', 'cleaned', 'looked for', 'painted', 'could hardly believe'),
            ('the big yellow boat', 'a box of fresh apples', 'that song from the radio',
             'the keys near the window', 'our train to the coast', 'forty-two pages of it',
             'the garden behind the house', 'a very good doctor', 'those photographs',
             'the whole kitchen', 'three cups of coffee', 'the question you asked'),
            ('I was so happy', 'it took about an hour', 'nobody had told me',
             'that is not what I meant', 'we laughed all the way home', 'it was raining again',
             'you should have seen it', 'I would do it again tomorrow', 'can you imagine that',
             'it costs twenty-five now'),
        ),
    ),
    'cmn': (
        (
            '{0}{1}{2}{3}。', '{1}{2}{3}，{4}。', '{1}{0}{2}{3}。', '{1}{0}{2}{3}吗？',
            '你觉得{1}会{2}{3}吗？', '{4}。', '其实{4}。', '然后{1}{2}{3}，{4}。',
        ),
        (
            ('昨天', '今天早上', '上个星期', '后来', '去年夏天', '吃饭以后', '刚才', '有一次'),
            ('我', '我们', '她哥哥', '王老师', '大家', '我的朋友', '隔壁的孩子', '他们'),
            ('买了', '看见了', '找到了', '想起了', '忘了', '介绍了', '收拾了', '写完了'),
            ('一辆红色的车', '那本新书', '三张火车票', '很多水果', '以前的照片', '门口的钥匙',
             '一家小饭馆', '四十二个问题'),
            ('我真的很高兴', '时间过得太快了', '没有人告诉我', '外面又下雨了', '你应该去看看',
             '我不是这个意思', '大概要一个小时', '我们笑了很久'),
        ),
    ),
    'ja': (
        ('{0}、{1}{2}。', '{1}{2}。', '{0}、{3}。', '{1}{2}か？', '{3}。', 'でも、{3}。'),
        (
            ('昨日', '今朝', 'それから', '去年の夏', '実は', '最初は', '先週の金曜日'),
            ('友達が新しい本を', '私は古い写真を', '先生は駅の切符を', '弟が大きな箱を',
             'みんなで朝ごはんを', '隣の人が赤い傘を'),
            ('見つけました', '忘れました', '買いました', '持ってきました', '選びました'),
            ('とても楽しかったです', '誰も知りませんでした', 'また雨が降ってきました',
             '一時間くらいかかりました', 'そういう意味ではありません', '本当に驚きました'),
        ),
    ),
    'de': (
        ('{0} {1} {2}.', '{0} {1} {2}, {3}.', 'Glaubst du das, {3}?', '{3}.', 'Und {0} {1} {2}?'),
        (
            ('gestern haben wir', 'im Sommer hat mein Bruder', 'danach haben alle',
             'zuerst habe ich', 'am Montag hat die Lehrerin'),
            ('den Schlüssel', 'ein großes Boot', 'die alten Bilder', 'den Zug nach Hause',
             'vierundzwanzig Seiten'),
            ('gefunden', 'vergessen', 'verkauft', 'gesehen', 'gesucht'),
            ('das war wirklich schön', 'es hat wieder geregnet', 'niemand hat es gewusst',
             'wir haben sehr gelacht'),
        ),
    ),
    'es': (
        ('{0} {1} {2}.', '{0} {1} {2}, {3}.', '¿{0} {1} {2}?', '{3}.', 'Bueno, {3}.'),
        (
            ('ayer nosotros', 'mi hermana', 'después todos', 'al principio yo', 'la profesora'),
            ('buscaba', 'llevaba', 'miraba', 'quería', 'tenía'),
            ('las llaves de casa', 'un barco amarillo', 'aquellas fotos', 'el tren de las nueve',
             'una caja de naranjas'),
            ('fue muy divertido', 'no me lo podía creer', 'empezó a llover otra vez',
             'nadie me dijo nada'),
        ),
    ),
    'fr': (
        ('{0} {1} {2}.', '{0} {1} {2}, {3}.', "Est-ce que {0} {1} {2}?", '{3}.', 'Alors, {3}.'),
        (
            ('mon voisin', 'ma petite soeur', 'le professeur', 'tout le monde', 'cet homme'),
            ('cherchait', 'regardait', 'voulait', 'portait', 'préparait'),
            ('les clés de la maison', 'un grand bateau', 'ces vieilles photos', 'le train du soir',
             'une boîte de pommes'),
            ("c'était vraiment drôle", 'il pleuvait encore', "personne ne m'a rien dit",
             'ça coûte vingt-cinq euros'),
        ),
    ),
}  # fmt: skip
LANGUAGES = tuple(_PARTS)


def phrases(language: str, count: int, seed: int) -> list[str]:
    """`count` different phrases of one of `LANGUAGES`, about 1 to 4 s long when spoken."""
    rng = np.random.default_rng((seed, LANGUAGES.index(language)))
    templates, parts = _PARTS[language]
    found: dict[str, None] = {}
    for _ in range(50 * count):
        words = [str(rng.choice(words)) for words in parts]
        found[str(rng.choice(templates)).format(*words)] = None
        if len(found) == count:
            break
    return list(found)


def is_question(text: str) -> bool:
    """Whether a phrase is a question."""
    return text.rstrip().endswith(('?', '？')) or text.rstrip('。').endswith('ますか')
