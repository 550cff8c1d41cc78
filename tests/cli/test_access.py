"""The commands that open doors, and the secrets they never show."""

import pytest

from tests.command import SECRET, Outcome, run

# Access


def test_access_says_what_is_missing() -> None:
    everything = run("access", "--json").json
    assert {(entry["dataset"], entry["mirror"]) for entry in everything} >= {
        ("srpbs-fc", "synapse"),
        ("srpbs-fc", "atr"),
    }
    assert "not granted" in run("access").out
    assert "decnef login atr srpbs-fc" in run("access", "srpbs-fc").out


def test_access_says_who_may_apply_with_which_form_and_how_data_may_be_used() -> None:
    shown = run("access", "srpbs-1600").out
    flat = " ".join(shown.split())
    assert "Only researchers who conduct research independently may apply" in flat
    assert "/ApplicationForm_DataUsage_DRMD.pdf" in flat
    for line in (
        "Data use: Use by approved applicants within an approved project",
        "承認された申請者による",
        "purpose unknown: no source states it",
        "commercial use unknown: no source states it",
        "condition user specific restriction (DUO:0000026)",
        "condition project specific restriction (DUO:0000027)",
        "prohibited Passing the data on to anyone who is not named in the approved application",
        "required Citing the works that the dataset asks for",
    ):
        assert flat.count(line) == 1, line
    everything = run("access").out
    assert everything.count("Data use: ") == 2  # once for each tier
    (entry, *_) = run("access", "srpbs-open", "--json").json
    assert entry["data_use"]["modifiers"] == []
    assert {rule["action"] for rule in entry["data_use"]["prohibitions"]} == {
        "odrl:distribute",
        "decnef:reidentify",
    }
    assert "非制限公開" in entry["data_use"]["title_ja"]
    assert ["purpose", "unknown: no source states it"] in entry["use_conditions"]
    forms = [item["form"] for item in run("access", "srpbs-fc", "--json").json[-1]["requirements"]]
    assert sum(form is not None for form in forms) == 1


def test_info_names_the_page_on_which_all_were_announced() -> None:
    shown = run("info", "srpbs-ts").out
    assert "https://bicr.atr.jp/decnefpro/data/" in shown
    assert "2021-08-30" in shown


def test_terms_without_a_terminal_are_shown_and_not_accepted() -> None:
    told = run("accept", "srpbs-fc", typed="y\n")
    assert (told.code, told.out) == (3, "")
    assert "(version 1)" in told.err.splitlines()[0]
    assert told.err.endswith(
        "error: The terms of 'srpbs-fc' are not accepted. Read them, then run `decnef accept srpbs-fc --yes`.\n"
    )


def test_terms_are_accepted_once() -> None:
    first = run("accept", "srpbs-fc", "--yes")
    assert first.code == 0
    assert first.out.startswith("Accepted for srpbs-fc: ")
    assert run("accept", "srpbs-fc") == Outcome(0, first.out, "")
    assert run("accept", "srpbs-fc", "--json").json["dataset"] == "srpbs-fc"


def test_a_link_read_from_standard_input_is_kept_and_never_shown() -> None:
    link = f"http://127.0.0.1:9/SRPBS_FC.zip?X-Amz-Signature={SECRET}"
    told = run("login", "atr", "srpbs-fc", typed=f"{link}\n")
    assert told.code == 0
    assert SECRET not in told.out + told.err
    assert run("logout", "--json").json == ["atr/srpbs-fc"]
    assert run("logout") == Outcome(0, "", "No credentials are stored.\n")


def test_logout_names_what_it_forgot() -> None:
    run("login", "atr", "srpbs-fc", typed="http://127.0.0.1:9/a.zip?X-Amz-Signature=x\n")
    assert run("logout", "atr") == Outcome(0, "Deleted: atr/srpbs-fc\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["synapse", SECRET],
        [SECRET],
        ["atr", "srpbs-fc", SECRET],
        ["atr", f"https://a.example/x?sig={SECRET}"],
        ["synapse", "--token", SECRET],
        ["synapse", f"--token={SECRET}"],
        ["synapse", "short-token"],
        ["-p", SECRET, "synapse"],
    ],
)
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(arguments: list[str]) -> None:
    told = run("login", *arguments)
    assert (told.code, told.out) == (2, "")
    assert SECRET not in told.err
    assert "short-token" not in told.err


def test_a_link_needs_its_dataset() -> None:
    assert run("login", "atr", typed=f"{SECRET}\n") == Outcome(
        2, "", "error: Mirror 'atr' has one link per dataset. Run `decnef login atr DATASET`.\n"
    )


def test_a_folder_needs_no_login() -> None:
    assert run("login", "folder").code == 2
