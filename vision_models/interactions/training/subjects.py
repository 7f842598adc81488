"""What the topics of public photo sets tell about the verbs of the people on them.

Each line names a set and a topic, and what is done on its photos: `verb`, or `verb:object` with the classes that the
object may be detected as. A `?` marks what many photos of the topic show, and others do not. All other verbs are taken
to be absent, except those that photos of anything may show (`COMMON`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from vision_models.errors import DataError
from vision_models.interactions.vocabulary import OBJECTS, VERB_NAMES

COMMON = frozenset({"hold", "stand", "sit", "look", "smile", "point", "carry", "walk"})

_SHORT = {"ball": "sports ball"}

_TOPICS = """
stanford40 applauding: smile? stand? sit? look?
stanford40 blowing_bubbles: hold? look? stand?
stanford40 brushing_teeth: hold:toothbrush stand?
stanford40 cleaning_the_floor: hold stand? look?
stanford40 climbing: look?
stanford40 cooking: stand hold? look?
stanford40 cutting_trees: cut hold? stand?
stanford40 cutting_vegetables: cut:knife hold:knife? stand? look?
stanford40 drinking: drink:cup|bottle|wine_glass hold:cup|bottle|wine_glass
stanford40 feeding_a_horse: stand hold? look:horse?
stanford40 fishing: hold stand? sit? look?
stanford40 fixing_a_bike: hold:bicycle? look:bicycle?
stanford40 fixing_a_car: look:car? stand? hold?
stanford40 gardening: hold? look?
stanford40 holding_an_umbrella: hold:umbrella stand? walk?
stanford40 jumping: jump
stanford40 looking_through_a_microscope: look sit? hold?
stanford40 looking_through_a_telescope: look stand? hold?
stanford40 phoning: talk_on_phone:cell_phone hold:cell_phone
stanford40 playing_guitar: hold sit? stand? look?
stanford40 playing_violin: hold stand? sit? look?
stanford40 pouring_liquid: hold:bottle|cup stand? look:cup|bottle|wine_glass?
stanford40 pushing_a_cart: walk hold? carry?
stanford40 reading: read:book hold:book look:book? sit?
stanford40 riding_a_bike: ride:bicycle sit:bicycle? hold:bicycle?
stanford40 riding_a_horse: ride:horse sit:horse? hold?
stanford40 rowing_a_boat: sit:boat ride:boat hold
stanford40 running: run
stanford40 shooting_an_arrow: stand hold look
stanford40 smoking: hold? stand? sit?
stanford40 taking_photos: look hold stand?
stanford40 texting_message: hold:cell_phone look:cell_phone stand? sit?
stanford40 throwing_frisby: throw:frisbee hold:frisbee? stand? run? jump? look:frisbee?
stanford40 using_a_computer: work_on_computer:laptop|keyboard|mouse|tv look:laptop|tv sit
stanford40 walking_the_dog: walk look:dog? hold?
stanford40 washing_dishes: stand hold look?
stanford40 watching_TV: look:tv sit?
stanford40 waving_hands: stand? smile? point?
stanford40 writing_on_a_board: stand hold look? point?
stanford40 writing_on_a_book: hold look:book sit?

har15 calling: talk_on_phone:cell_phone hold:cell_phone
har15 clapping: smile? stand? sit?
har15 cycling: ride:bicycle sit:bicycle? hold:bicycle?
har15 dancing: stand? jump? smile?
har15 drinking: drink:cup|bottle|wine_glass hold:cup|bottle|wine_glass
har15 eating: eat:pizza|sandwich|hot_dog|donut|cake|apple|banana|orange|carrot|broccoli|bowl hold? sit? look?
har15 fighting: hit? stand? kick?
har15 hugging: hold:person stand? smile?
har15 laughing: smile
har15 listening_to_music: sit? stand? smile?
har15 running: run
har15 sitting: sit:chair|couch|bench
har15 sleeping: lay:bed|couch
har15 texting: hold:cell_phone look:cell_phone stand? sit?
har15 using_laptop: work_on_computer:laptop look:laptop sit

willow7 Interacting with computer: work_on_computer:laptop|keyboard|mouse|tv look:laptop|tv? sit?
willow7 Photographing: look hold stand?
willow7 Playing Instrument: hold stand? sit?
willow7 Riding Bike: ride:bicycle|motorcycle sit:bicycle|motorcycle? hold:bicycle|motorcycle?
willow7 Riding Horse: ride:horse sit:horse? hold?
willow7 Running: run
willow7 Walking: walk

sports100 ampute football: kick:ball? run? stand? look:ball?
sports100 archery: stand hold look
sports100 axe throwing: stand throw? hold?
sports100 baseball: hit:baseball_bat? hold:baseball_bat|baseball_glove? throw:ball? catch:ball? stand? look:ball?
sports100 basketball: throw:ball? hold:ball? jump? run? catch:ball? look:ball?
sports100 baton twirling: hold stand?
sports100 barell racing: ride:horse sit:horse? hold?
sports100 bike polo: ride:bicycle hold? hit:ball? sit:bicycle?
sports100 billiards: hold hit? look:ball? stand?
sports100 bmx: ride:bicycle jump? hold:bicycle? sit:bicycle?
sports100 bowling: throw:ball? hold:ball? stand? look?
sports100 boxing: hit? stand
sports100 bull riding: ride:cow sit:cow? hold?
sports100 canoe slamon: sit:boat ride:boat hold
sports100 chuckwagon racing: ride? sit?
sports100 cricket: hit:ball? hold:baseball_bat? stand? run? look:ball?
sports100 croquet: hold stand? hit:ball? look:ball?
sports100 disc golf: throw:frisbee? hold:frisbee? stand? look?
sports100 fencing: hold stand?
sports100 field hockey: hold hit:ball? run? look:ball?
sports100 figure skating men: stand?
sports100 fly fishing: hold stand look?
sports100 football: run? carry:ball? catch:ball? hold:ball? throw:ball? kick:ball? stand?
sports100 formula 1 racing: ride:car? sit:car?
sports100 frisbee: throw:frisbee? catch:frisbee? hold:frisbee? jump? run? stand? look:frisbee?
sports100 giant slalom: ski:skis hold stand?
sports100 golf: hit:ball? hold stand look?
sports100 hammer throw: throw hold? stand?
sports100 harness racing: sit? ride:horse?
sports100 high jump: jump
sports100 hockey: hold hit:ball? stand? look?
sports100 horse jumping: ride:horse jump:horse? sit:horse? hold?
sports100 horse racing: ride:horse sit:horse? hold?
sports100 hurdles: run? jump
sports100 ice climbing: hold? look?
sports100 javelin: throw hold run?
sports100 jousting: ride:horse hold sit:horse?
sports100 judo: hold:person? stand?
sports100 lacrosse: hold throw:ball? catch:ball? run? look:ball?
sports100 motorcycle racing: ride:motorcycle sit:motorcycle? hold:motorcycle?
sports100 mushing: ride? stand? hold?
sports100 pole vault: jump hold?
sports100 polo: ride:horse hit:ball? hold sit:horse?
sports100 rock climbing: look?
sports100 roller derby: stand? run?
sports100 rollerblade racing: run? stand?
sports100 rowing: sit:boat ride:boat hold
sports100 rugby: run? carry:ball? hold:ball? kick:ball? throw:ball? catch:ball?
sports100 sailboat racing: sit:boat? ride:boat
sports100 shot put: throw stand? hold:ball?
sports100 sidecar racing: ride:motorcycle sit:motorcycle?
sports100 ski jumping: ski:skis jump
sports100 snow boarding: snowboard:snowboard jump? stand?
sports100 snowmobile racing: ride sit?
sports100 surfing: surf:surfboard stand:surfboard?
sports100 swimming: look?
sports100 table tennis: hold:tennis_racket hit:ball? stand look:ball?
sports100 tennis: hold:tennis_racket hit:tennis_racket|ball? stand? run? look:ball?
sports100 track bicycle: ride:bicycle sit:bicycle? hold:bicycle?
sports100 tug of war: hold stand?
sports100 ultimate: throw:frisbee? catch:frisbee? run? jump? hold:frisbee? look:frisbee?
sports100 volleyball: hit:ball? jump? stand? look:ball?
sports100 water polo: throw:ball? hold:ball? look:ball?
sports100 weightlifting: hold stand?
sports100 wheelchair basketball: sit:chair throw:ball? hold:ball? look:ball?
sports100 wheelchair racing: sit:chair? ride?

sports22 badminton: hold:tennis_racket hit:ball? stand? jump? look:ball?
sports22 baseball: hit:baseball_bat? hold:baseball_bat|baseball_glove? throw:ball? catch:ball? stand? look:ball?
sports22 basketball: throw:ball? hold:ball? jump? run? catch:ball? look:ball?
sports22 boxing: hit? stand
sports22 chess: sit look? hold?
sports22 cricket: hit:ball? hold:baseball_bat? stand? run? look:ball?
sports22 football: kick:ball run? look:ball? stand?
sports22 hockey: hold hit:ball? run? look:ball?
sports22 ice_hockey: hold hit:ball? stand? look?
sports22 motogp: ride:motorcycle sit:motorcycle? hold:motorcycle?
sports22 shooting: hold look stand?
sports22 table_tennis: hold:tennis_racket hit:ball? stand look:ball?
sports22 tennis: hold:tennis_racket hit:tennis_racket|ball? stand? run? look:ball?
sports22 volleyball: hit:ball? jump? stand? look:ball?
sports22 weight_lifting: hold stand?

stills skateboarding: skateboard:skateboard stand:skateboard? jump:skateboard?
stills BrushingTeeth: hold:toothbrush look? stand?
stills CuttingInKitchen: cut:knife hold:knife? stand?
stills JumpingJack: jump? stand
"""


@dataclass(frozen=True)
class Doing:
    """One verb of a topic."""

    verb: int
    classes: tuple[int, ...]  # that its object may have; none if the object has no class, or the verb no object
    sure: bool


def _read(line: str) -> tuple[tuple[str, str], tuple[Doing, ...]]:
    source, rest = line.split(maxsplit=1)
    topic, words = rest.split(":", maxsplit=1)
    return (source, topic), tuple(_doing(word.rstrip("?"), sure=not word.endswith("?")) for word in words.split())


def _doing(words: str, *, sure: bool) -> Doing:
    """Read `verb` or `verb:object|object`."""
    verb, _, classes = words.partition(":")
    names = (_SHORT.get(name, name.replace("_", " ")) for name in classes.split("|") if name)
    return Doing(VERB_NAMES.index(verb), tuple(OBJECTS.index(name) for name in names), sure)


# (set, topic): what its people do
Topics = dict[tuple[str, str], tuple[Doing, ...]]
TOPICS: Topics = dict(_read(line) for line in _TOPICS.splitlines() if line)


def read_verb_map(file: Path) -> Topics:
    """Read another opinion on what topics tell: set -> topic -> "strong" and "weak" -> "verb" or "verb:object|object".

    Raises:
        DataError: for a file that holds something else.
    """
    try:
        return {
            (source, topic): tuple(
                _doing(_known(words), sure=strength == "strong")
                for strength, entries in opinion.items()
                for words in entries
                if words.partition(":")[0] in VERB_NAMES
            )
            for source, topics in json.loads(file.read_text()).items()
            if isinstance(topics, dict)
            for topic, opinion in topics.items()
        }
    except (AttributeError, ValueError) as error:
        raise DataError(f"{file} is no map from topics to verbs: {error}") from error


def _known(words: str) -> str:
    """Leave out what is no object of COCO's."""
    verb, _, classes = words.partition(":")
    return f"{verb}:{'|'.join(name for name in classes.split('|') if name in OBJECTS)}"
