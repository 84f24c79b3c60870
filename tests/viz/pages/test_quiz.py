"""The quiz: in the page and in the terminal, what is asked, and what is said to an answer."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from opening import caption_of, exact, fan_out, neuron, step_to, title_of, titles

from engine import Value, sigmoid, toposort, where
from viz.pages.quiz import close, quiz


def square() -> Value:
    """a·b + a: a's second contribution comes on top of the first."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * b
    c.label = "c"
    result = c + a
    result.label = "L"
    return result


def answer(page, text: str) -> str:
    page.fill("#answer", text)
    page.keyboard.press("Enter")
    return page.inner_text("#verdict")


def to_question(page, title: str) -> None:
    assert titles(page, until=title)[-1] == title


def test_it_asks_before_it_shows(opened):
    """A backward step hides its result, in caption, picture and table, until the answer is right."""
    page = opened(square(), made={"quiz": True})
    to_question(page, "Your turn: from L to c")
    assert "Whatisc.gradafterthisstep?" in caption_of(page)
    assert exact(page)[2][1] == "–"
    assert page.locator("#picture .chip.product").count() == 0
    assert answer(page, "1") == "Right."
    assert title_of(page) == "Backward: from L to c"
    assert exact(page)[2][1] == "1"
    assert page.evaluate("document.activeElement.id") == "forward", "one press goes on"
    assert page.inner_text("#score") == "1 of 1 right at once"


def at_last_of_a(page):
    """The question about a's second contribution: before 1, upstream 1, local derivative b = -3."""
    to_question(page, "Your turn: from c to a")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("-3", "accumulation is forgotten"),
        ("4", "sign is lost"),
        ("1", "Nothing is added yet|upstream gradient"),
        ("3", "derivative with respect to b|sign is lost"),
        ("0.6666667", "divided"),
        ("17", "one factor after the other"),
    ],
)
def test_a_wrong_answer_is_told_which_factor_went_wrong(opened, wrong, says):
    """The sign, the forgotten accumulation, the wrong factor: each is named."""
    page = opened(square(), made={"quiz": True})
    at_last_of_a(page)
    told = answer(page, wrong)
    assert told.startswith("Not quite. ")
    assert re.search(says, told)
    assert title_of(page).startswith("Your turn"), "the question stands"
    assert page.evaluate("document.activeElement.id") == "answer"
    assert page.input_value("#answer") == wrong
    assert answer(page, "-2") == "Right, with 2 tries."
    assert page.inner_text("#score") == "0 of 1 right at once"


def test_a_local_derivative_at_the_wrong_point_is_noticed(opened):
    """σ′ = σ(1 − σ) with z put in for σ(z) is said to be taken at the wrong point."""
    z = Value(0.8, label="z")
    a = sigmoid(z)
    a.label = "a"
    page = opened(a, made={"quiz": True})
    to_question(page, "Your turn: from a to z")
    assert "at the wrong point" in answer(page, f"{z.data * (1 - z.data):.4f}")
    assert answer(page, f"{a.data * (1 - a.data):.4f}") == "Right, with 2 tries."


def test_the_factor_can_be_asked_for(opened):
    """The page then hides the local derivative everywhere, and asks for it."""
    page = opened(square(), made={"quiz": True})
    page.select_option("#wants", "factor")
    to_question(page, "Your turn: from c to b")
    assert "?" in page.locator("#picture .edge text.local").all_text_contents()
    assert "2.0000" not in page.locator("#picture .edge text.local").all_text_contents()
    assert "sign" in answer(page, "-2")
    assert "derivative with respect to a" in answer(page, "-3")
    assert answer(page, "2") == "Right, with 3 tries."


def test_hints_give_the_formula_then_the_numbers(opened):
    """The first hint is the formula, the second has the numbers; an answer with a hint is not right at once."""
    page = opened(square(), made={"quiz": True})
    at_last_of_a(page)
    page.click("#hint")
    assert "∂L∂c·∂c∂a" in caption_of(page)
    assert "(−3.0000)" not in caption_of(page)
    page.click("#hint")
    assert "1.0000×(−3.0000)" in caption_of(page)
    assert page.is_disabled("#hint")
    assert answer(page, "-2") == "Right, with 1 try and 2 hints."
    assert page.inner_text("#score") == "0 of 1 right at once"


def test_show_gives_the_answer_and_skipping_is_allowed(opened):
    """Show reveals the step and counts as wrong; stepping on without an answer counts as nothing."""
    page = opened(square(), made={"quiz": True})
    at_last_of_a(page)
    page.click("#reveal")
    assert title_of(page) == "Backward: from c to a"
    assert page.inner_text("#score") == "0 of 1 right at once"
    page.focus("#picture")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#score") == "0 of 1 right at once"


def test_what_is_no_number_is_no_try(opened):
    """A word is refused without counting; a minus of either kind, spaces and exponents are understood."""
    page = opened(square(), made={"quiz": True})
    at_last_of_a(page)
    assert "not a number" in answer(page, "minus two")
    assert answer(page, " −2 ") == "Right."


def test_the_quiz_can_be_turned_on_and_off(opened):
    """Any page has it: a button asks from then on, or stops asking."""
    page = opened(square())
    to_question(page, "Backward: from c to a")
    page.click("#quizon")
    assert title_of(page) == "Your turn: from c to a"
    assert page.get_attribute("#quizon", "aria-pressed") == "true"
    page.click("#quizon")
    assert title_of(page) == "Backward: from c to a"


def test_it_works_by_keyboard_and_says_itself_to_a_screen_reader(opened):
    """All of a question can be done by keys; its title, its verdict and the score are announced."""
    page = opened(square(), made={"quiz": True})
    at_last_of_a(page)
    assert page.get_attribute("#verdict", "role") == "status"
    assert page.get_attribute("#score", "role") == "status"
    assert page.evaluate("document.querySelector('#answer').labels[0].textContent").strip() == "Answer"
    page.focus("#picture")
    page.keyboard.type("-3")
    assert page.input_value("#answer") == "-3", "digits go to the answer, wherever the focus is"
    page.keyboard.press("Enter")
    assert "accumulation" in page.inner_text("#verdict")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert "hint" in page.inner_text("#caption")
    page.focus("#answer")
    page.keyboard.press("ArrowLeft")
    assert title_of(page) == "Your turn: from c to a", "arrows move the cursor in the field"


@pytest.mark.parametrize("make", [fan_out, neuron])
def test_the_right_answers_are_always_taken(opened, make):
    """Through a whole backward pass, what the engine's local derivatives give, to four digits, is right at once."""
    output = make()
    order = toposort(output)
    grads = dict.fromkeys(order, 0.0) | {output: 1.0}
    page = opened(output, made={"quiz": True})
    step_to(page, 1 + sum(node.op is not None for node in order))
    for node in reversed(order):
        for parent, local in zip(node.parents, node.local_derivatives):
            if parent.is_constant:
                continue
            grads[parent] += grads[node] * local
            page.focus("#picture")
            page.keyboard.press("ArrowRight")
            assert title_of(page).endswith(f"to {parent.label}") or not parent.label
            assert answer(page, f"{grads[parent]:.4f}") == "Right."
    assert page.inner_text("#score") == "{0} of {0} right at once".format(sum(
        not parent.is_constant for node in order for parent in node.parents))  # fmt: skip


# In the terminal


def asked(output: Value, *answers: str) -> tuple[str, tuple[int, int]]:
    """What the quiz tells, given these answers."""
    given, told = iter(answers), []
    score = quiz(output, ask=lambda prompt: next(given), tell=told.append)
    return "\n".join(told), score


def test_the_terminal_asks_the_same_questions():
    """Each edge is asked for, in the order of the backward pass; the score counts what is right at once."""
    told, score = asked(square(), "1", "1", "-2", "2")
    assert re.findall(r"\d of 4: from (\w) to (\w)", told) == [("L", "c"), ("L", "a"), ("c", "a"), ("c", "b")]
    assert score == (4, 4)
    assert "Right. a.grad = 1.0000 + 1.0000 × (−3.0000) = −2.0000" in told


@pytest.mark.parametrize(
    ("wrong", "says"),
    [("-3", "accumulation is forgotten"), ("4", "sign is lost"), ("17", "one factor after the other")],
)
def test_the_terminal_says_what_went_wrong(wrong, says):
    """Mistakes are those of the page, from one table."""
    told, score = asked(square(), "1", "1", wrong, "-2", "2")
    assert says in told
    assert score == (3, 4)


def test_hints_showing_and_leaving():
    """? gives the rule, then the numbers; = shows; q ends; a word is refused; the end of the input is an end."""
    told, score = asked(square(), "?", "?", "1", "=", "what", "q")
    assert "∂L/∂c = 1" in told
    assert "It is 0.0000 + 1.0000 × 1.0000." in told
    assert "'what' is not a number" in told
    assert score == (0, 2)
    assert asked(square())[1] == (0, 0)


def test_rules_are_told_with_the_names_of_the_operands():
    """The hint for a sigmoid is its rule, with the name of its result."""
    told, _ = asked(neuron(), "=", "?", "q")
    assert "∂a/∂z = a * (1 − a)" in told


def test_close_is_half_a_percent_or_the_digits_shown():
    """0.1966 is right for 0.19661…, 0.20 is not; nan is right for nan alone."""
    assert close(0.1966, 0.19661193)
    assert not close(0.2, 0.19661193)
    assert close(float("nan"), float("nan"))
    assert not close(1.0, float("nan"))
    assert close(float("inf"), float("inf"))


def test_the_command_line_has_the_quiz():
    """python -m viz EXPR --quiz asks before it shows the gradients, and takes answers from a pipe."""
    done = subprocess.run(
        [sys.executable, "-m", "viz", "a*b", "a=2", "b=-3", "--quiz"],
        input="-3\n2\n", capture_output=True, encoding="utf-8", timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    questions, _, gradients = done.stdout.partition("2 of 2 right at once.")
    assert "from a*b to a" in questions or "from L to a" in questions
    assert "grad = -3" in gradients
    assert "grad = -3" not in questions


def test_an_operand_that_was_not_chosen_gets_nothing():
    """where(x > 0, log x, x) at 0: what flows to log x is nothing, and not 0 × inf."""
    x = Value(0.0, label="x")
    told, score = asked(where(x.gt(0), x.log(), x), "0", "0", "1", "1", "1")
    assert score == (5, 5)
    assert "x.grad stays 1.0000: nothing flows back here" in told
