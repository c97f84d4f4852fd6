"""What the pages name exists: commands, options, make targets, files, classes, keys, links.

A page that names what is gone is worse than none. Each test reads the Markdown itself, so a new
page is looked at by lying there. CHANGELOG is history and may name what was.
"""

import ast
import fnmatch
import functools
import re
import shlex
import tomllib

import pytest
from house_tree import ROOT, modules, python_modules, tree

from procs.cli.main import build_parser, verb_names
from procs.localvenue.admin import PREFIX
from procs.simulate.shrink import hits_of
from shared.config.load import KNOBS

NAMED = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
PAGES = {name: (ROOT / name).read_text("utf-8") for name in NAMED} | {
    f"docs/{path.name}": path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))
}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PARSER, VERBS = build_parser(verb_names())
MAKE_TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))

NOT_OURS = ("defaults.toml", "credentials.toml", "seawall.toml", "data/")
"""Files of a user folder, and the one that ARCHITECTURE says there is not."""
FOLDERS = ("procs", "shared", "core_ext", "bench", "tests", "docs")
SECTIONS = {key.partition(".")[0] for key in KNOBS}


def blocks(text, *kinds):
    """What stands in fenced blocks of these kinds ("" is one without a kind)."""
    return [body for kind, body in BLOCK.findall(text) if kind in kinds]


def quoted(text):
    """What stands between single backticks, outside blocks, without repetitions."""
    return sorted(set(re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))))


def typed(text):
    """Lines that a reader may type, without what a comment says of them."""
    for body in blocks(text, "", "sh"):
        for line in body.splitlines():
            yield re.split(r"\s+#|\s{2,}again: ", line.strip())[0].removeprefix("again: ")


@functools.cache
def files():
    """Every file of the project, relative to its root, and every folder with a slash behind it."""
    found = {f"{folder}/" for folder in FOLDERS}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if "__pycache__" not in path.parts:
                found.add(str(path.relative_to(ROOT)) + ("/" if path.is_dir() else ""))
    return found | {path.name for path in ROOT.iterdir() if path.is_file()}


def looks_like_a_file(word):
    """Whether a quoted word is meant as a file or folder of the project."""
    if word.startswith(NOT_OURS) or not re.fullmatch(r"[\w./*<>-]+", word):
        return False
    is_source = re.search(r"\.(py|pyx|pxd|pyi|md|toml)$", word)
    return bool(is_source or word.endswith("/") or word.startswith(tuple(f"{f}/" for f in FOLDERS)))


def exists(word):
    """Whether a file, a folder, or some file of a pattern has this name; from any folder on."""
    pattern = re.sub(r"<\w+>", "*", word)
    return any(
        fnmatch.fnmatchcase(place, pattern) or fnmatch.fnmatchcase(place, f"*/{pattern}")
        for one in files()
        for place in (one, one.rstrip("/"))
    )


@functools.cache
def classes():
    """Name of a class or of an alias of types, to the names in its body; Cython by its stubs."""
    trees = [tree(name) for name in python_modules()]
    trees += [ast.parse(path.read_text("utf-8")) for path in (ROOT / "core_ext").glob("*.pyi")]
    found = {}
    for node in (node for one in trees for node in one.body):
        if isinstance(node, ast.ClassDef):
            found.setdefault(node.name, set()).update(members(node))
        elif isinstance(node, ast.Assign):
            found |= {one.id: set() for one in node.targets if isinstance(one, ast.Name)}
    return found


def members(node):
    """Methods and fields of a class."""
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield inner.name
        elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
            yield inner.target.id


CAMEL = re.compile(r"([A-Z][a-z]+(?:[A-Z][a-z]+)+|[A-Z][a-z]+(?=\.))(?:\.(\w+))?(?:\(.*\))?")


def is_known_class(word):
    """Whether `Name`, `Name.member` or `Name(…)` is one of ours."""
    name, member = CAMEL.fullmatch(word).groups()
    return name in classes() and (member is None or member in classes()[name])


def option_strings(verb):
    """Every option that a verb takes."""
    actions = next(a for a in PARSER._actions if a.choices and verb in a.choices)
    parsers, found = [actions.choices[verb]], set()
    while parsers:
        parser = parsers.pop()
        found |= set(parser._option_string_actions)
        for action in parser._actions:
            if isinstance(action.choices, dict):
                parsers += action.choices.values()
    return found


def is_understood(command):
    """Whether the command line takes a whole command as it is shown."""
    words = shlex.split(command)[1:]
    try:
        PARSER.parse_args(words)
    except SystemExit as end:
        return end.code in (0, None)
    return True


COMMANDS = [
    (page, line)
    for page, text in PAGES.items()
    for line in typed(text)
    if line.startswith("seawall ") and line.split()[1] in verb_names()
]
MENTIONED = [
    (page, word)
    for page, text in PAGES.items()
    for word in quoted(text)
    if word.startswith("seawall ")
]


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_of_a_block_is_understood(page, command):
    assert is_understood(command)


@pytest.mark.parametrize(("page", "words"), MENTIONED)
def test_a_mentioned_command_has_its_verb_and_options(page, words):
    first, *others = words.split()[1:]
    if first.startswith("--"):
        assert first in PARSER._option_string_actions
        return
    assert first in VERBS
    assert {one for one in others if one.startswith("-")} <= option_strings(first)


@pytest.mark.parametrize("page", PAGES)
def test_options_that_stand_alone_are_of_some_verb(page):
    known = set().union(*(option_strings(verb) for verb in VERBS))
    wanted = {word.split()[0] for word in quoted(PAGES[page]) if word.startswith("--")}
    assert wanted <= known


@pytest.mark.parametrize("page", PAGES)
def test_what_only_names_can_be_read(page):
    for hits in re.findall(r"--only (\S+)", "\n".join(typed(PAGES[page]))):
        assert hits_of(hits) is not None


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page):
    lines = [*typed(PAGES[page]), *quoted(PAGES[page])]
    named = {line.split()[1] for line in lines if re.match(r"make [a-z]", line)}
    assert named <= MAKE_TARGETS


@pytest.mark.parametrize("page", PAGES)
def test_files_and_folders_exist(page):
    gone = [word for word in quoted(PAGES[page]) if looks_like_a_file(word) and not exists(word)]
    assert gone == []


@pytest.mark.parametrize("page", PAGES)
def test_test_functions_exist(page):
    for path, name in re.findall(r"(tests/[\w/]+\.py)::(\w+)", PAGES[page]):
        assert re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text("utf-8"), re.M)


@pytest.mark.parametrize("page", PAGES)
def test_classes_and_their_members_exist(page):
    named = [word for word in quoted(PAGES[page]) if CAMEL.fullmatch(word)]
    assert [word for word in named if not is_known_class(word)] == []


@pytest.mark.parametrize("page", PAGES)
def test_configuration_keys_exist(page):
    key = re.compile(r"((?:--set )?)([a-z]+(?:\.[a-z_]+)+)(?:\s*=.*)?")
    found = [key.fullmatch(word) for word in quoted(PAGES[page])]
    named = {match[2] for match in found if match and match[2].partition(".")[0] in SECTIONS}
    named = {one for one in named if not looks_like_a_file(one) and not one.startswith("log.")}
    named |= set(re.findall(r"--set ([\w.]+)=", PAGES[page]))
    assert {one for one in named if one not in KNOBS} == set()


def test_the_configuration_in_the_readme_is_one():
    (shown,) = blocks(PAGES["README.md"], "toml")
    keys = set()

    def walk(table, prefix):
        for name, value in table.items():
            walk(value, f"{prefix}{name}.") if isinstance(value, dict) else keys.add(prefix + name)

    walk(tomllib.loads(shown), "")
    assert keys <= set(KNOBS)
    assert keys


@pytest.mark.parametrize("page", PAGES)
def test_doors_of_the_local_venue_exist(page):
    source = modules()["procs.localvenue.admin"].read_text("utf-8")
    doors = set(re.findall(r'\("(?:GET|POST|DELETE)", "(/[a-z-]+)', source))
    named = set(re.findall(rf"(?:{PREFIX}|\$V)(/[a-z-]+)", PAGES[page]))
    assert named <= doors


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    here = (ROOT / page).parent
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = here / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.M)
            assert anchor in {
                re.sub(r"[^\w -]", "", t).strip().lower().replace(" ", "-") for t in titles
            }


def test_the_seeds_that_the_page_tells_of_are_kept_as_tests():
    """Each story of a campaign has the test that plays its seed."""
    place = (
        PAGES["docs/simulation.md"].partition("## What campaigns found")[2].partition("\n## ")[0]
    )
    told = set(map(int, re.findall(r"^\| (\d+) \|", place, re.M)))
    kept = (ROOT / "tests" / "sim" / "test_sim_found.py").read_text("utf-8")
    assert told
    assert told <= set(map(int, re.findall(r'"\w+",\s*(\d+),', kept)))


def sources():
    """Every source file of ours with its text, and the headers of core_ext."""
    for path in [*modules().values(), *sorted((ROOT / "core_ext").glob("*.pxd"))]:
        yield str(path.relative_to(ROOT)), path.read_text("utf-8")


def test_what_the_sources_name_exists():
    """Files by their path, make targets and verbs in docstrings and comments."""
    path = re.compile(rf"\b(?:{'|'.join(FOLDERS)})/[\w/.*]+\.(?:py|pyx|pxd|md|toml)\b")
    gone = [
        (place, name)
        for place, text in sources()
        for name in (
            *(one for one in path.findall(text) if not exists(one)),
            *(one for one in re.findall(r"`make ([a-z][a-z-]*)", text) if one not in MAKE_TARGETS),
            *(one for one in re.findall(r"`seawall ([a-z][a-z-]*)[` ]", text) if one not in VERBS),
        )
    ]
    assert gone == []


def test_what_is_not_there_is_seen():
    assert not exists("procs/no_such_room.py")
    assert not exists("no_such_*.py")
    assert exists("procs/<name>/actor.py")
    assert looks_like_a_file("no_such_room.py")
    assert not is_understood("seawall simulate --sed 17")
    assert is_understood("seawall simulate --seed 17 --trace")
    assert "--sed" not in option_strings("simulate")
    assert not is_known_class("EntryIntention")
    assert not is_known_class("Scanner.feed_none")
    assert is_known_class("Scanner.feed_many")


def test_there_is_something_to_look_at():
    assert len(COMMANDS) > 20
    assert len(MENTIONED) > 10
    assert {"build", "run", "test", "numbers"} <= MAKE_TARGETS
