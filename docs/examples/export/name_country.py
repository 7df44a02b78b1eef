"""Name the countries of surnames with onnxruntime and NumPy alone.

$ python -m practicezoo export names_gru --out names.onnx
$ python name_country.py names.onnx Yamamoto Álvarez
"""

import json
import sys
import unicodedata

import numpy as np
import onnxruntime


def encode(name: str, characters: str) -> list[int]:
    """The ids of a name, from 1 on; unknown accents are left out."""
    ids = []
    for character in unicodedata.normalize("NFC", name.strip()):
        plain = unicodedata.normalize("NFKD", character)
        for letter in character if character in characters else plain:
            if letter in characters:
                ids.append(characters.index(letter) + 1)
            elif not unicodedata.combining(letter):
                sys.exit(
                    f"{name!r} has {letter!r}, which the network does not know"
                )
    return ids or sys.exit("a name must not be empty")


def main(path: str, *names: str) -> None:
    """Print the three likeliest countries of each name."""
    session = onnxruntime.InferenceSession(path)
    metadata = session.get_modelmeta().custom_metadata_map
    classes = json.loads(metadata["classes"])
    characters = json.loads(metadata["preprocessing"])["characters"]

    texts = [encode(name, characters) for name in names]
    lengths = np.array([len(text) for text in texts])
    inputs = np.zeros(
        (len(texts), lengths.max()), dtype=np.int64
    )  # 0 is padding
    for row, text in zip(inputs, texts, strict=True):
        row[: len(text)] = text
    (logits,) = session.run(
        ["outputs"], {"inputs": inputs, "lengths": lengths}
    )

    logits /= json.loads(
        metadata.get("temperature", "1")
    )  # so that probabilities can be trusted
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    for name, row in zip(names, probabilities, strict=True):
        best = row.argsort()[::-1][:3]
        print(
            f"{name}: "
            + ", ".join(f"{classes[place]} {row[place]:.1%}" for place in best)
        )


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
