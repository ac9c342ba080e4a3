"""The texts that an engine must look for in the events of a log source: values after `contains`, and keywords, of the rules that apply.

Rules are read by lines, which does for the public rules; it only feeds the floor that the benchmark compares with (floor.cc).
"""
import glob
import re

ENTRY = re.compile(r"^(\s*)(-\s+)?(?:([^\s'\"][^:'\"]*):)?\s*(.*?)\s*$")


def plain(value):
    """The text of a YAML scalar, wildcards around it left out; "" where it is none, or holds wildcards."""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1].replace("''", "'")
    text = re.sub(r"\\([\\*?])", r"\1", value.strip("*"))
    return "" if "*" in text or "\n" in text else text


def of_rule(path, wanted):
    """Yields the texts of one rule file, where its log source does not contradict `wanted`."""
    section, contains, keywords = "", False, False
    texts = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if re.match(r"\w", line):
                section = line.split(":")[0]
            match = ENTRY.match(line.split(" #")[0].rstrip("\n"))
            indent, dash, key, value = match.groups()
            if section == "logsource" and key in wanted and indent and value.strip("'\"") != wanted[key]:
                return []
            if section != "detection" or not indent or key in ("condition", "timeframe"):
                continue
            if key is not None:
                contains = "contains" in key.split("|")
                keywords = len(indent) == 4 and not dash and value == ""
            if (contains or (keywords and dash)) and value:
                texts.append(plain(value))
    return texts


def texts(folders, wanted):
    """Sorted, none twice; one of fewer than two bytes says nothing."""
    found = set()
    for folder in folders:
        for path in glob.glob(folder + "/**/*.yml", recursive=True):
            found.update(of_rule(path, wanted))
    return sorted(text for text in found if len(text) > 1)
