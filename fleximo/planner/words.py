"""The small words of English that steer a plan: numbers, joints of sentences, sides, directions, paces, people.

Owns word lists only. The moves' own words are in `fleximo.moves.lexicon`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "ADJECTIVES",
    "ADVERBS",
    "AUXILIARIES",
    "BODY_PARTS",
    "CONTROL_VERBS",
    "COUNT_WORDS",
    "DESCRIBING",
    "DESCRIBING_VERBS",
    "DETERMINERS",
    "DIRECTION_PHRASES",
    "END_VERBS",
    "FILLERS",
    "FOREIGN_WORDS",
    "JOINTS",
    "LENGTH_UNITS",
    "LIGHT_VERBS",
    "MANY",
    "MOTION_NOUNS",
    "NEGATIONS",
    "NUMBERS",
    "OUTSIDE_PHRASES",
    "OUTSIDE_VERBS",
    "PEOPLE",
    "POSSESSIVES",
    "PREPOSITIONS",
    "PRONOUNS",
    "SIDE_PARTS",
    "SPEED_PHRASES",
    "TIME_UNITS",
    "UNSHOWN_WAYS",
]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    """Comma-separated phrases as word tuples."""
    return tuple(tuple(part.split()) for part in text.split(","))


_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
_UNITS += "seventeen eighteen nineteen".split()
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
NUMBERS: Mapping[str, float] = MappingProxyType(
    {word: float(value) for value, word in enumerate(_UNITS)}
    | {word: float(value) for word, value in _TENS.items()}
    | {"hundred": 100.0, "dozen": 12.0}
)
# Vague amounts: the smallest number that most readers accept for the word.
MANY: Mapping[str, float] = MappingProxyType(
    {"couple": 2.0, "pair": 2.0, "few": 3.0, "some": 3.0, "several": 4.0, "multiple": 3.0, "many": 6.0, "numerous": 6.0}
)
COUNT_WORDS: Mapping[str, int] = MappingProxyType(
    {"once": 1, "twice": 2, "thrice": 3, "repeatedly": 4, "double": 2, "triple": 3}
)
TIME_UNITS: Mapping[str, float] = MappingProxyType(
    dict.fromkeys(("second", "seconds", "sec", "secs", "s"), 1.0)
    | dict.fromkeys(("minute", "minutes", "min", "mins"), 60.0)
    | dict.fromkeys(("hour", "hours"), 3600.0)
    | dict.fromkeys(("moment", "moments", "instant", "beat", "beats"), 1.0)
    | {"while": 4.0, "bit": 2.0}
)

LENGTH_UNITS = _set(
    "meter meters metre metres m km kilometers kilometres miles mile yards yard inches cm laps lap blocks"
)
UNSHOWN_WAYS: Mapping[tuple[str, ...], bool] = MappingProxyType(
    dict.fromkeys(
        _phrases(
            "on one leg,on one foot,on tiptoe,on tiptoes,on his toes,on her toes,on their toes,on all fours,"
            "on his hands,on her hands,on their hands,with one leg,with eyes closed,"
            "with a limp,with a smile,with a grin,with a swagger,cross legged,"
            "zigzag,in a zigzag"
        ),
        True,
    )
)

# Words that join clauses. "then": one after another; the others order or overlay them.
JOINTS: Mapping[tuple[str, ...], str] = MappingProxyType(
    dict.fromkeys(
        _phrases(
            "then,next,afterwards,afterward,after that,after this,after which,later,later on,subsequently,finally,"
            "lastly,at last,in the end,thereafter,thereupon,and then,but then,at the end,eventually,until,till,"
            "and finally,now,from there,upon which,where upon,before finally"
        ),
        "then",
    )
    | dict.fromkeys(_phrases("first,firstly,to start,to begin,at first,initially,secondly,thirdly"), "first")
    | dict.fromkeys(_phrases("while,whilst,during,when also,all while"), "while")
    | dict.fromkeys(
        _phrases("at the same time,simultaneously,meanwhile,concurrently,all the while,in the meantime"), "together"
    )
    | dict.fromkeys(_phrases("before,prior to,ahead of"), "before")
    | dict.fromkeys(
        _phrases("after,once having,right after,just after,shortly after,immediately after,as soon as,when,once,upon"),
        "after",
    )
    | dict.fromkeys(
        _phrases("followed by,which is followed by,leading to,ending with,ending in,concluding with"), "then"
    )
    | dict.fromkeys(_phrases("preceded by"), "preceded")
    | {("and",): "and", ("but",): "and", ("plus",): "and", ("or",): "or", ("as", "well", "as"): "and"}
)

PRONOUNS = _set("he she they it we you i who someone somebody everyone everybody anyone")
POSSESSIVES = _set("his her their its my your our one's")
DETERMINERS = POSSESSIVES | _set("a an the this that these those another each every any all no such what which")
AUXILIARIES = _set(
    "is are am was were be been being 's 're 'm has have had 've 'd will would shall should can could may might must "
    "'ll does did do let lets let's gonna going getting gets got starts started"
) - _set("starts started do does did going getting gets got has have had let")
NEGATIONS = _set("not never n't without cannot don't doesn't didn't isn't won't can't instead rather neither nor")
PREPOSITIONS = _set(
    "in on at to from of with by for into onto over under above below beneath between among across through along past "
    "towards toward near beside behind beyond inside outside against off out around round about like via within upon "
    "throughout amid next front top underneath down up across alongside opposite per than as because so"
)
# Adverbs that change nothing that a plan can say.
ADVERBS = _set(
    "just simply really very quite also too even still only directly immediately suddenly straight here there away "
    "together apart again back briefly actually basically shortly promptly instantly soon already almost nearly "
    "approximately roughly exactly normally naturally casually continuously constantly continually deeply high low "
    "properly fully completely finally repeatedly usually always often sometimes slightly please ok okay okey "
    "maybe perhaps right alone home upstairs downstairs indoors outdoors today well far close wide tight firmly"
)
FILLERS = _set(
    "something anything everything nothing and's which whose whom that where if then there how it him them me us "
    "himself herself themselves itself myself yourself oneself ones one own other others same thing way manner "
    "order turn place spot time times rep reps etc video animation motion clip scene shot"
)
ADJECTIVES = _set(
    "small big tall short long little large huge tiny old young younger older elderly middle aged adult happy sad "
    "angry cheerful friendly nice kind polite respectful formal graceful elegant beautiful pretty handsome lovely "
    "deep shallow high low quick slow fast brief sudden gentle light heavy hard soft strong weak powerful firm "
    "sharp full half partial complete single double triple final last first second third next good great perfect "
    "proper simple basic quiet loud warm cold hot new red blue green yellow black white brown grey gray orange "
    "purple pink dark bright blond blonde bald bearded slim thin fat fit athletic muscular casual smart "
    "traditional wide narrow standard regular normal clean dirty wet dry empty sunny rainy busy front left right "
    "straight more extra additional further overhead underhand overarm underarm consecutive successive tired bored "
    "excited confident shy nervous calm female male bare lone military oriental playful enthusiastic theatrical "
    "dramatic grand classic classical modern smooth steady rhythmic energetic lively exaggerated courteous"
)
_PEOPLE_SINGULAR = _set(
    "man woman boy girl person human guy lady gentleman kid child teenager teen adult baby toddler dude fellow figure "
    "character actor actress performer dancer runner walker jogger boxer fighter golfer player athlete gymnast soldier "
    "guard officer policeman policewoman cop waiter waitress chef cook worker teacher student doctor nurse king queen "
    "prince princess knight warrior ninja samurai robot zombie clown model singer magician wizard ballerina ballet "
    "pitcher catcher thrower kicker jumper puncher drummer musician conductor swimmer skater skier climber hiker "
    "sailor captain coach trainer farmer businessman businesswoman businessperson host hostess speaker presenter "
    "grandmother grandfather grandma grandpa mother father mom dad mum sister brother son daughter friend couple "
    "stranger visitor tourist customer monk priest judge president astronaut pirate hero superhero villain subject "
    "individual participant skeleton avatar mannequin dummy puppet goalkeeper quarterback bowler batter batsman "
    "fan butler servant maid bride groom pedestrian commuter cheerleader instructor yogi youth male female "
    "protagonist hiker veteran sergeant general recruit cadet troop"
)
PEOPLE = (
    _PEOPLE_SINGULAR
    | frozenset(word + "s" for word in _PEOPLE_SINGULAR)
    | _set(
        "men women people children ladies gentlemen babies folks policemen policewomen audience crowd group team family"
    )
)
BODY_PARTS = _set(
    "hand hands arm arms leg legs foot feet knee knees head heads shoulder shoulders fist fists wrist wrists elbow "
    "elbows finger fingers palm palms face body torso back waist hip hips chest neck eye eyes thigh thighs toe "
    "toes heel heels"
)
SIDE_PARTS = _set(
    "hand hands arm arms leg legs foot feet knee knees fist fists wrist wrists elbow elbows palm palms shoulder "
    "side sides finger fingers handed footed one"
)

# Verbs that carry a noun: "does a kick", "takes a bow".
LIGHT_VERBS = _set(
    "do perform make give take have execute practice practise complete deliver land attempt try show repeat throw "
    "offer end finish begin start conclude close open drop add hit go break get launch unleash pull use"
)
# Verbs that begin or go on with another verb and say nothing more.
CONTROL_VERBS = _set(
    "start begin continue keep try proceed attempt want decide need like love prepare resume commence manage go "
    "get end finish conclude seem appear pretend help come remain stay be let"
)
END_VERBS = _set("stop cease quit")
# Behind a gerund they name the act itself: "a throwing motion".
MOTION_NOUNS = _set(
    "motion movement action gesture move exercise routine motions movements actions gestures moves exercises"
)

# Words that describe how someone looks or where someone is when they follow the person: "a man wearing a hat".
DESCRIBING = _set(
    "wearing dressed holding carrying standing facing named called seated located clad sporting having posing "
    "positioned shown seen pictured filmed looking"
)
DESCRIBING_VERBS = _set("wear stand hold carry look face live have own")

# Verbs that mean a motion or an act which no move shows; named to the user as a whole.
OUTSIDE_VERBS = _set(
    "juggle swim climb crawl fly ride drive cycle skate ski surf dive row paddle cook eat bite chew swallow sing "
    "talk speak whisper shout scream yell laugh cry weep smile grin frown wink blink sneeze cough yawn breathe "
    "sleep lie lay roll tumble flip cartwheel somersault backflip handstand crouchwalk limp hobble stagger stumble "
    "trip fall slip slide skip tiptoe sneak creep moonwalk shuffle sway swing rock wiggle wobble shake tremble "
    "shiver twist bend lean tilt duck dodge block push pull drag carry hold hand drop place put set open close "
    "shut knock tap stomp stamp snap flex scratch rub wipe wash brush comb shave dress undress wear tie untie "
    "button zip fold unfold read write type draw paint play strum drum bat hit slap strike smash chop cut slice "
    "stab fence fight wrestle tackle hug kiss embrace cuddle pet pat stroke tickle poke touch feel hang plank "
    "pushup crunch meditate pray preach mime act pose gesture gesticulate beckon signal motion blow whistle smoke "
    "vape inhale exhale look watch stare gaze glance peek peer see listen hear smell taste think wonder ponder "
    "search seek hide find reach grab grasp grip release lower shoot aim fire load reload dig plant water sweep "
    "mop vacuum iron sew knit build hammer saw drill screw text call phone dial photograph film record dribble "
    "bowl serve volley score save bounce spike dunk swipe scroll click press squeeze crush tear rip break crack "
    "pour stir mix fill empty feed milk hunt fish collapse faint die attack defend celebrate cheer flail flap "
    "twitch squirm lurch vault balance trot gallop prance strut swagger waddle hover float sink glide ascend "
    "descend mount dismount scoot slither worship recoil cower flinch clean fix repair conduct teach train "
    "exercise work warm cool jiggle nudge shove elbow headbutt twerk vogue breakdance dab floss curtsy curtsey "
    "grimace sulk pout sigh meow bark howl sniff snore rap hum chant"
)
# Patterns (as in the lexicon) that hold a move's word but mean something that no move shows.
OUTSIDE_PHRASES: tuple[str, ...] = (
    "shake hand",
    "shake * hand",
    "raise/lift * leg/knee/foot/eyebrow/glass/voice/heel/shoulder/toe/hip/eye/chin",
    "swing * arm/leg/bat/racket/sword/axe/hip",
    "cross * leg/finger/ankle",
    "fold * leg",
    "turn * head",
    "jump rope",
    "stand on one leg/foot",
    "stand on * hand/head/toe/tiptoe",
    "walk on * hand/toe/tiptoe/knee",
    "put on",
    "take off",
    "stretch * leg/neck",
    "throw up",
    "pick * nose",
    "put * hand/arm on/behind/in/into/to",
    "place * hand/arm on/behind/in/into/to",
    "wait on",
    "box * up",
    "race car",
    "turn on/off * light/lamp/tv/music/radio",
    "sit up",
    "do * sit up",
    "do * push up",
    "do * pull up",
    "rise onto * toe/tiptoe",
    "run * hand/finger",
    "point * toe/foot",
)

DIRECTION_PHRASES: Mapping[tuple[str, ...], str] = MappingProxyType(
    dict.fromkeys(
        _phrases(
            "forward,forwards,ahead,straight ahead,straight forward,frontward,frontwards,to the front,onward,onwards,"
            "towards the camera,toward the camera,towards the viewer,toward the viewer,towards us,toward us,"
            "to the camera,at the camera,at the viewer,to the viewer,in front of him,in front of her,in front of them"
        ),
        "forward",
    )
    | dict.fromkeys(_phrases("backward,backwards,in reverse,rearward,rearwards,to the back,to the rear"), "backward")
    | dict.fromkeys(_phrases("leftward,leftwards"), "left")
    | dict.fromkeys(_phrases("rightward,rightwards"), "right")
    | dict.fromkeys(
        _phrases("sideways,to the side,to one side,to his side,to her side,to their side,sidewards"), "side"
    )
    | dict.fromkeys(_phrases("up,upward,upwards,skyward,at the sky,to the sky,at the ceiling,to the ceiling"), "up")
    | dict.fromkeys(_phrases("down,downward,downwards,at the floor,at the ground"), "down")
    | dict.fromkeys(
        _phrases(
            "in a circle,in circles,in a small circle,in a big circle,in a large circle,in a wide circle,in one circle,"
            "around in a circle,around in circles,clockwise,counterclockwise,anticlockwise"
        ),
        "around",
    )
    | dict.fromkeys(
        _phrases("back,back again,back to the start"),
        "back",
    )
    | dict.fromkeys(
        _phrases("back and forth,to and fro,forth and back,forward and backward,forwards and backwards"), "to and fro"
    )
    | dict.fromkeys(_phrases("up and down,in and out,from side to side,side to side"), "none")
    | dict.fromkeys(_phrases("away,away from the camera,away from the viewer,away from us"), "away")
)

SLOW, FAST = 0.71, 1.39  # 1.4 times the time, and the time divided by 1.39
SPEED_PHRASES: Mapping[tuple[str, ...], float] = MappingProxyType(
    dict.fromkeys(
        _phrases(
            "slowly,slow,slower,leisurely,unhurriedly,gradually,gently,lazily,at a slow pace,at a leisurely pace,"
            "at a slow speed"
        ),
        SLOW,
    )
    | dict.fromkeys(
        _phrases(
            "quickly,quick,quicker,fast,faster,rapidly,rapid,swiftly,briskly,hastily,hurriedly,speedily,in a hurry,"
            "at a fast pace,at a quick pace,at a brisk pace,at high speed,at full speed,at top speed,at speed"
        ),
        FAST,
    )
    | dict.fromkeys(_phrases("in slow motion,at half speed,at half the speed,half as fast"), 0.5)
    | dict.fromkeys(_phrases("at double speed,at twice the speed,twice as fast"), 2.0)
    | dict.fromkeys(_phrases("at a normal pace,at normal speed,at a normal speed"), 1.0)
)

# Frequent words of other languages that are no English words; enough of them and the text is not English.
FOREIGN_WORDS = _set(
    "un une el los las der das ein eine einen er sie und dann mit seine seinen seiner hand winkt la le les des du "
    "il elle et puis avec sa ses hombre mujer saluda camina salta y luego con su mano uma um homem mulher ele ela "
    "e depois uomo donna che poi lui een het de en hij zij zwaait mann frau geht springt läuft homme femme marche "
    "saute danse fait na og och han hon mand kvinde går się mężczyzna kobieta bir adam kadın ve egy férfi"
) - _set("hand en sa de e he a")
