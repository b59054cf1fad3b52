"""Scores by PESQ: reads `sample rate, reference, degraded` lines, tab-separated, and writes a number for each.

8000 Hz is narrowband (ITU-T P.862), 16,000 Hz wideband (P.862.2). What cannot be scored is nan.
"""

import sys
import wave
from multiprocessing import Pool

import numpy
from pesq import PesqError, pesq


def read(path):
    with wave.open(path) as file:
        return numpy.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def score(line):
    rate, reference, degraded = line.rstrip("\n").split("\t")
    mode = "wb" if rate == "16000" else "nb"
    try:
        return pesq(int(rate), read(reference), read(degraded), mode)
    except PesqError:
        return float("nan")


if __name__ == "__main__":
    with Pool() as pool:
        for value in pool.imap(score, sys.stdin.readlines(), chunksize=4):
            print(f"{value:.4f}")
