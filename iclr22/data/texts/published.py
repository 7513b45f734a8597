"""Published sentence pairs: semantic textual similarity (STS), SICK and MRPC.

The user's copy is read, a table for each, `<data_dir>/sts/<file>.csv.gz`. Where there is
none, SICK and MRPC are downloaded; of the others no address is known that is checked.
"""

import functools

from iclr22 import errors
from iclr22.data import download, texts
from iclr22.data.registry import Dataset, File, Info
from iclr22.data.texts import files, simulated

TABLES = {  # sha256 of the table with this name
    "sts12_16": "f08bfebedf8f1a5d10050202398ea755f1f679daeab7105b006bde5342b8045e",
    "stsb": "c7ed1bf5ccb8feebd96bb02ff920129b5ce024e8e7f4cae6619e52107e950409",
    "sickr": "acfe4e940706889376490aa9c8a10824c445df5fd706ed083b6ac4825afcc1e7",
    "mrpc": "751bc08ccb8ba29e2a1d4acdbd0a79639af643d9150c660355c79aa76264bf40",
}
SICK = (
    "https://raw.githubusercontent.com/brmson/dataset-sts/"
    "e1d3375f5b3bc24f21aa4e46f96eb379e9fc1081/data/sts/sick2014/"
)
SENTEVAL = "https://dl.fbaipublicfiles.com/senteval/senteval_data/"
ORIGINALS = {  # in the order in which their reader takes them
    "sickr": (
        File(
            SICK + "SICK_train.txt",
            506_243,
            "266cf8047149bd1d68138dd30439f3122bff30069740ac6705bb6197d9f1b48e",
        ),
        File(
            SICK + "SICK_trial.txt",
            57_225,
            "5a88cfb62f8c6bd2a3cce0f2421ba2cb8c2be5ab4a800f6f01e2c64aafb7db56",
        ),
        File(
            SICK + "SICK_test_annotated.txt",
            559_979,
            "2b8aa806658d6fc23c6824c83776c2d4fee7556000817b5ec0f982861413b7d0",
        ),
    ),
    "mrpc": (
        File(
            SENTEVAL + "msr_paraphrase_train.txt",
            1_047_044,
            "60a9b09084528f0673eedee2b69cb941920f0b8cd0eeccefc464a98768457f89",
        ),
        File(
            SENTEVAL + "msr_paraphrase_test.txt",
            441_275,
            "a04e271090879aaba6423d65b94950c089298587d9c084bf9cd7439bd785f784",
        ),
    ),
}
READERS = {"sickr": files.read_sick, "mrpc": files.read_mrpc}
YEARS = ("sts12", "sts13", "sts14", "sts15", "sts16")
STS = (*YEARS, "stsb", "sickr")  # the seven sets of the paper's table 1
POOLS = {  # tasks of the paper: groups of data sets, each without duplicates
    "sts_sickr": ((*YEARS, "stsb"), ("sickr",)),
    "sts": ((*YEARS, "stsb"),),
    "sickr": (("sickr",),),
    "mrpc": (("mrpc",),),
}


@functools.lru_cache(maxsize=4)
def _tables(path) -> dict[str, texts.Pairs]:
    return files.read_tables(path)


def load(name: str, data_dir: str | None = None) -> texts.Pairs:
    """The published pairs of that name.

    Raises:
      errors.InputError: the table is not there; says where it is looked for.
      DownloadError: nor are files that are downloaded, and they cannot be had.
    """
    table = "sts12_16" if name in YEARS else name
    path = f"sts/{table}.csv.gz"
    found = download.converted(path, TABLES[table], data_dir)
    if found is None and name in ORIGINALS:
        paths = [download.fetch(x, name, data_dir) for x in ORIGINALS[name]]
        return READERS[name](*paths)
    if found is None:
        raise errors.InputError(
            f"{download.data_root(data_dir) / path}: expected the pairs of {name}, a table "
            f"with the columns {', '.join(files.COLUMNS)} and sha256 {TABLES[table]}; found "
            "none, and there is no address to download it from: put your copy there, "
            f" or name another folder with --data_dir or {download.VARIABLE}; "
            "other pairs are read as your own (--pairs)."
        )
    return _tables(found)[name]


def load_pool(task: str = "sts_sickr", data_dir: str | None = None) -> texts.Pairs:
    """All pairs of a task without scores, the unlabelled texts of the paper.

    Args:
      task: `sts_sickr` (37,075 pairs), `sts` (27,233), `sickr` or `mrpc`.

    Raises:
      errors.InputError: an unknown task, or a table that is not there.
    """
    if task not in POOLS:
        raise errors.nearest(task, POOLS, "task")
    groups = [[load(name, data_dir) for name in group] for group in POOLS[task]]
    return texts.pool(*groups)


def _generated(data_dir: str | None = None) -> texts.Pairs:
    del data_dir
    return simulated.generate(pairs=4000)


def _dataset(name, description, licence, citation, notes="") -> Dataset:
    where = ORIGINALS.get(name, ())
    told = "" if where else "the user's copy is read"
    notes = "; ".join(x for x in (told, notes) if x)
    return Dataset(
        functools.partial(load, name),
        simulated.synthetic,
        Info(description, where, licence, citation, notes=notes),
    )


SEMEVAL = (
    "scores CC BY-SA 4.0; texts under terms of their own (MSRpar, MSRvid: Microsoft "
    "Research; answers: Stack Exchange, CC BY-SA)"
)
TASK = (
    "E. Agirre et al. ({}). SemEval-{}: Semantic Textual Similarity. Proceedings of "
    "the International Workshop on Semantic Evaluation."
)
SCORED = {"sts12": 3108, "sts13": 1500, "sts14": 3750, "sts15": 3000, "sts16": 1186}
DATASETS = {
    name: _dataset(
        name,
        f"{n:,} scored pairs of SemEval 20{name[3:]}, scores 0 to 5",
        SEMEVAL,
        TASK.format(f"20{name[3:]}", f"20{name[3:]}"),
        "pairs that were released without a score are unlabelled",
    )
    for name, n in SCORED.items()
} | {
    "stsb": _dataset(
        "stsb",
        "STS Benchmark: 5,749, 1,500 and 1,379 pairs, scores 0 to 5",
        SEMEVAL,
        "D. Cer, M. Diab, E. Agirre, I. Lopez-Gazpio and L. Specia (2017). SemEval-2017 "
        "Task 1: Semantic Textual Similarity. SemEval.",
    ),
    "sickr": _dataset(
        "sickr",
        "SICK, relatedness: 4,500, 500 and 4,927 pairs, scores 1 to 5",
        "CC BY-NC-SA 3.0",
        "M. Marelli et al. (2014). A SICK cure for the evaluation of compositional "
        "distributional semantic models. LREC.",
    ),
    "mrpc": _dataset(
        "mrpc",
        "Microsoft Research Paraphrase Corpus: 3,576, 500 and 1,725 pairs, 1: paraphrase",
        "Microsoft Research Shared Source (non-commercial)",
        "W. B. Dolan and C. Brockett (2005). Automatically Constructing a Corpus of "
        "Sentential Paraphrases. IWP.",
        "dev is the end of the original training part, not that of GLUE",
    ),
    "facts": Dataset(
        _generated,
        simulated.synthetic,
        Info(
            "4,000 generated pairs of sentences; what they have in common is known",
            (),
            "Apache-2.0",
            "this project, generated",
        ),
    ),
}
