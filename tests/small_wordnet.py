"""A few nouns in the format of WordNet 3.0."""

NOUNS = {  # what each is a kind of, and its gloss
    "thing": ([], "whatever there is"),
    "animal": (["thing"], "a thing that lives and moves"),
    "pet": (["animal"], 'an animal kept at home; "she has a pet"'),
    "dog": (["animal", "pet"], 'a kept animal that barks; "the dog; it barked"'),
    "cat": (["pet"], "a kept animal that purrs"),
    "police dog": (["dog"], "a dog that helps the police"),
    "house": (["thing"], "a thing that people live in"),
    "tower": (["house"], "a high house of stone"),
    "hut": (["house"], "a small house of wood"),
    "time": ([], "what passes by itself"),
    "word": (["thing"], "said"),
    "hour": (["time"], "a part of the day"),
}


def write_wordnet(folder):
    """The folder with `data.noun`."""
    folder.mkdir(parents=True, exist_ok=True)
    offset = {word: f"{100 * i:08}" for i, word in enumerate(NOUNS, 1)}
    lines = ["  1 A licence.  ", "  2 More of it.  ", "  "]
    for word, (kinds, gloss) in NOUNS.items():
        names = f"02 {word.replace(' ', '_')} 0 other_name 1"
        pointers = [
            f"{'@i' if word == 'tower' else '@'} {offset[x]} n 0000" for x in kinds
        ]
        pointers.append("+ 00000001 v 0101")
        head = f"{offset[word]} 03 n {names} {len(pointers):03} {' '.join(pointers)}"
        lines.append(f"{head} | {gloss}  ")
    (folder / "data.noun").write_text("\n".join(lines) + "\n")
    return folder
