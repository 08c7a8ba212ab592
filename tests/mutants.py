"""One-line sabotages of the package, each with the test that must notice it (tests/test_mutants.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """In `file`, `old` becomes `new`; then `test` must fail. `quick`: part of the default run."""

    file: str
    old: str
    new: str
    test: str
    quick: bool = False


RANDOM, FOUND = (
    "test_random_cells.py::test_c_is_the_plain_function",
    "test_random_cells.py::test_what_was_found_stays_found",
)
VALUES, GRADIENT = "test_cells.py::test_values_and_gradients", "test_ops.py::test_the_gradient_is_autograds"
LENGTHS = "test_layers.py::test_rows_of_different_lengths_equal_each_row_alone"
EXPORTED = "test_export.py::test_a_cell_in_onnxruntime_is_the_cell"
WHOLES = "test_wholes.py::test_a_function_of_a_vector_is_torchs"
STORED = "test_stored.py::test_what_no_author_can_have_written_is_refused_at_once"
PLAIN = "test_wholes.py::test_cells_of_these_functions_are_the_plain_function"

GENERATE = "test_generate.py::"
GROWN = "test_grown.py::"
ENDINGS = f"{GENERATE}test_strings_with_an_end_are_those_of_the_model_that_end_so"
MUTANTS = (
    # Gradients of primitives, and the sweep that joins them.
    Mutant("ops/table.py", "(g * (1 - y * y),)", "(g * (1 - y),)", f"{GRADIENT}[tanh-float64]", quick=True),
    Mutant("ops/table.py", "(g / b, -(g * (y / b)))", "(g / b, g * (y / b))", f"{GRADIENT}[div-float64]"),
    Mutant(
        "ops/table.py",
        "where(a == b, g / 2, g)",
        "g",
        f"{GRADIENT}[maximum-float64]",
    ),
    Mutant("ops/table.py", "(where(y <= 0, 0, g),)", "(where(0 < y, g, 0),)", f"{GRADIENT}[relu-float32]"),
    Mutant(
        "ops/table.py",
        "where(p == 0, 0, g * (p * a ** (p - 1)))",
        "g * (p * a ** (p - 1))",
        f"{GRADIENT}[power-float64]",
    ),
    Mutant("ops/table.py", "(low <= v) & (v <= high)", "(low < v) & (v < high)", f"{GRADIENT}[clip-float64]"),
    Mutant(
        "kernels/c/headers/elementary.h",
        "t * q * exp_(-(z * z))",
        "t * q * exp_(-z)",
        "test_ops.py::test_c_is_the_reference_in_float32[gelu]",
    ),
    Mutant(
        "ops/table.py",
        "(g * (y * (1 - y)),)",
        "(g * y,)",
        "test_ops.py::test_the_gradient_is_the_slope[sigmoid]",
    ),
    Mutant(
        "graph/gradient.py",
        "self.sums[index] = self.sums[index] + gradient if index in self.sums else gradient",
        "self.sums[index] = gradient",
        "test_gradient.py::test_the_backward_step_of_every_cell[lstm]",
        quick=True,
    ),
    Mutant(
        "graph/gradient.py",
        'return self.builder.apply("sum", (gradient,))',
        "return gradient",
        "test_gradient.py::test_a_number_spread_over_a_vector_gets_the_sum",
    ),
    Mutant(
        "graph/simplify.py",
        "return symbols[numbers.index(0.0)]",
        "return symbols[1 - numbers.index(0.0)]",
        "test_gradient.py::test_simplification[0 * v]",
    ),
    Mutant(
        "ops/table.py", "return g / total(chosen) * chosen", "return g * chosen", f"{WHOLES}[c-largest-ties]"
    ),
    Mutant(
        "ops/functions.py",
        "return sqrt(squares + nothing) - nothing",
        "return sqrt(squares)",
        "test_wholes.py::test_the_length_of_nothing_has_no_slope_and_no_nan",
    ),
    Mutant("ops/table.py", '(apply_op("cumsum_back", g),)', "(cumsum(g),)", f"{WHOLES}[c-cumsum-random]"),
    Mutant(
        "ops/table.py",
        'whole = apply_op("copy", g)\n    return tuple',
        "whole = g\n    return tuple",
        f"{PLAIN}[c-pieces]",
    ),
    # Tracing, widths, files.
    Mutant(
        "graph/builder.py",
        "None if op in LEAVES else shape",
        "None",
        "test_loose_cells.py::test_what_was_found_stays_found[a number spread to two widths-c]",
    ),
    Mutant(
        "graph/widths.py",
        "    widths.check_sums()\n",
        "",
        "test_loose_cells.py::test_what_was_found_stays_found[a sum whose part is known later-reference]",
    ),
    Mutant(
        "graph/trace.py",
        "if states(function) != before:",
        "if False:",
        "test_advice.py::test_random_numbers_in_a_cell_are_noticed[numpy]",
    ),
    Mutant(
        "plan/carry.py",
        "if counts[index] > 1:",
        "if counts[index] > 9:",
        f"{FOUND}[a bias whose gradient is that of a state, which ends in a product-c]",
    ),
    Mutant(
        "kernels/choose.py",
        'backend == "c" or not c.unbuildable(call)',
        'backend == "c" or True',
        "test_fallback.py::test_auto_takes_the_reference_and_says_so_once",
    ),
    Mutant(
        "graph/trace.py",
        "symbol = self.builder.alias(symbol)",
        "pass",
        "test_trace.py::test_the_line_that_only_renames_is_an_equation",
    ),
    Mutant(
        "graph/shape_rules.py",
        "lambda widths, m: m[::-1]",
        "lambda widths, m: m",
        "test_gradient.py::test_the_backward_step_of_random_cells",
    ),
    Mutant(
        "graph/json.py",
        "list(n.shape or ())]",
        "[]]",
        "test_trace.py::test_json_and_pickle_keep_the_cell[lstm]",
    ),
    # The plan: stages, what is kept, what goes where.
    Mutant(
        "plan/stages.py",
        "stage[index] = latest + (waits or (costly and behind))",
        "stage[index] = latest",
        "test_plan.py::test_the_plans_of_the_zoo_read_only_what_has_been_written",
    ),
    Mutant(
        "plan/keep.py",
        "if cost_again(body, index, kept) <= 1:\n        return",
        "if True:\n        return",
        "test_plan.py::test_the_plans_of_the_zoo_read_only_what_has_been_written[lstm]",
        quick=True,
    ),
    Mutant(
        "plan/carry.py",
        "if pairs == {(m, gradient_of(body, m, group.operand)) for m in group.matrices}",
        "if {m for m, _ in pairs} == set(group.matrices)",
        f"{FOUND}[one matrix with two operands-c]",
    ),
    Mutant(
        "plan/carry.py",
        "schedule.store(index, carry, not_before=max(last[k], 0))",
        "schedule.store(index, carry)",
        f"{FOUND}[a carry that a later stage still reads-c]",
    ),
    Mutant(
        "plan/stages.py",
        "known[user] = self.put_off.get(user, -1)",
        "known[user] = -1",
        f"{FOUND}[a carry that another carry, stored late, still is-c]",
    ),
    Mutant(
        "plan/plan.py",
        " or _single(draft)",
        "",
        "test_plan.py::test_sums_and_numbers_keep_a_row_on_one_core",
    ),
    Mutant(
        "plan/cost.py",
        "if threads == 1:\n        return 1, False",
        "if threads == 1:\n        return 2, False",
        "test_plan.py::test_cores_share_rows_units_or_nothing",
    ),
    # Backends.
    Mutant(
        "kernels/reference/run.py",
        "torch.cat([n, s[rows:]])",
        "torch.cat([n, n[:1].expand(len(s) - rows, -1)])",
        f"{VALUES}[reference-torch.float64-elman]",
        quick=True,
    ),
    Mutant(
        "kernels/reference/spell.py",
        "torch.where(_tensor(c, like) != 0,",
        "torch.where(_tensor(c, like) > 0,",
        "test_ops.py::test_the_reference_is_the_authors_function[where]",
    ),
    Mutant(
        "kernels/c/emit/spell.py",
        '"less": "({0} < {1} ?',
        '"less": "({0} <= {1} ?',
        "test_ops.py::test_c_is_the_reference_in_float64[less]",
        quick=True,
    ),
    Mutant(
        "kernels/c/headers/unrolled.h",
        "real m = a > b ? a : b; return a != a ? a : m;",
        "return a > b ? a : b;",
        "test_ops.py::test_c_is_the_reference_in_float64[maximum]",
    ),
    Mutant(
        "kernels/c/headers/unrolled.h",
        "INLINE real relu_(real x) { return x < 0 ? 0 : x; }",
        "INLINE real relu_(real x) { return x > 0 ? x : 0; }",
        "test_ops.py::test_c_is_the_reference_in_float32[relu]",
    ),
    Mutant(
        "kernels/c/emit/segment.py",
        """text += f" + {self._address(Place('above', 0, (), place.width))}\"""",
        "pass",
        f"{VALUES}[c-torch.float64-elman]",
    ),
    Mutant(
        "kernels/c/emit/segment.py",
        '+= {self._read(i)};" for i, p in adds]',
        '= {self._read(i)};" for i, p in adds]',
        f"{VALUES}[c-torch.float64-indrnn]",
    ),
    Mutant(
        "kernels/c/emit/segment.py",
        "n{0} += v{1} != v{1} ? v{1} : 0;",
        "n{0} += 0;",
        f"{WHOLES}[c-largest-NaN]",
    ),
    Mutant(
        "kernels/c/emit/segment.py",
        "*(line for i, p in stores for line in self._along(i, p, letter)),",
        "*(),",
        f"{WHOLES}[c-cumsum-random]",
    ),
    Mutant(
        "kernels/reference/spell.py",
        '"held": torch.detach',
        '"held": lambda a: a',
        f"{WHOLES}[reference-held-random]",
    ),
    Mutant(
        "graph/node.py",
        "if number % parts:",
        "if False:",
        "test_wholes.py::test_a_width_that_cannot_be_divided",
    ),
    Mutant(
        "kernels/c/emit/direction.py",
        '"if (split) barrier_wait(&q->barrier, me, team);"',
        '""',
        f"{VALUES}[c-torch.float64-rhn]",
    ),
    Mutant(
        "kernels/c/headers/loop.h",
        "if (!w->together) return w->offset[s] - inside * w->batch;",
        "",
        "test_teams.py::test_rows_made_ahead_never_meet_another_threads",
        quick=True,
    ),
    Mutant(
        "kernels/c/headers/product.h",
        "            IN_REGISTER(b[j]);\n",
        "",
        "test_tiles.py::test_every_sum_of_a_tile_is_a_register_and_every_vector_is_loaded_once[znver3-float-gcc]",
    ),
    Mutant(
        "kernels/c/headers/product.h",
        "#define MULTIPLY_ADD(sum, a, b) sum = FUSED(a, b, sum)",
        "#define MULTIPLY_ADD(sum, a, b) sum += (a) * (b)",
        "test_header.py::test_product_rows_do_not_depend_on_their_number[znver3-float32]",
    ),
    Mutant(
        "kernels/c/call/prepared.py",
        """return found is not None and "avx512_bf16" in found.instructions""",
        "return True",
        "test_instruction_sets.py::test_python_decides_by_what_is_built",
    ),
    Mutant(
        "kernels/c/headers/interrupt.h",
        "__atomic_store_n(&i->stopped, 1,",
        "__atomic_store_n(&i->stopped, 0,",
        "test_interrupt.py::test_the_backward_pass_ends_too",
    ),
    Mutant(
        "kernels/c/call/prepared.py",
        "            if held > MOST:",
        "            if False:",
        "test_scratch.py::test_what_is_prepared_for_long_sequences_is_bounded_in_bytes",
    ),
    Mutant(
        "kernels/c/headers/team.h",
        "units < 16 * team ? 1 : 16",
        "1",
        "test_teams.py::test_shared_units_are_one_threads_bit_for_bit",
    ),
    Mutant(
        "kernels/c/emit/direction.py",
        'return ["if (split && !keep) barrier_wait(&q->barrier, me, team);"]',
        "return []",
        "test_teams.py::test_a_slow_thread_changes_nothing[dilated_rnn-units]",
    ),
    Mutant(
        "kernels/c/emit/direction.py",
        'return ["if (split && !keep && inside == 0) barrier_wait(&q->barrier, me, team);"]',
        "return []",
        "test_teams.py::test_a_slow_thread_changes_nothing[jordan-units]",
    ),
    Mutant(
        "kernels/c/emit/direction.py",
        "int(product.accumulate or k > 0)",
        "int(product.accumulate)",
        f"{FOUND}[a product whose gradients stand in two places, and nothing else in the carry-c]",
    ),
    Mutant(
        "kernels/c/headers/frame.h",
        "if (r >= from) memcpy",
        "if (r > from) memcpy",
        f"{VALUES}[c-torch.float64-elman]",
    ),
    Mutant(
        "kernels/c/emit/after.py",
        'return f"{{new{k}, {depth}, {depth}, state{k}}}"',
        'return f"{{new{k}, {depth}, {depth}, 0}}"',
        f"{VALUES}[c-torch.float64-elman]",
    ),
    Mutant(
        "kernels/differentiable.py",
        "tuple([t.view_as(t) for t in call.tensors])",
        "call.tensors",
        "test_cells.py::test_gradients_of_gradients_are_the_references[intersection_rnn]",
    ),
    Mutant(
        "kernels/c/call/run.py",
        "ctx.needs_input_grad[1:])\n        return",
        "ctx.needs_input_grad[:-1])\n        return",
        "test_cells.py::test_gradients_of_gradients_are_the_references[lstm]",
    ),
    Mutant(
        "kernels/recomputed.py",
        "self.sums[k] += gradient",
        "self.sums[k] = gradient",
        "test_recompute.py::test_the_same_values_and_gradients[c-lstm]",
    ),
    Mutant(
        "kernels/recomputed.py",
        "return blocks[::-1] if step_rows.reverse else blocks",
        "return blocks",
        "test_recompute.py::test_the_same_values_and_gradients[reference-lstm]",
    ),
    Mutant(
        "kernels/recomputed.py",
        "carries = sums.add(found, block)",
        "sums.add(found, block)",
        "test_recompute.py::test_the_same_values_and_gradients[c-lem]",
    ),
    Mutant(
        "kernels/c/call/backward.py",
        "else c.resolve_neg().clone()",
        "else c.resolve_neg().contiguous()",
        "test_cells.py::test_what_the_caller_gives_is_left_alone[c-lstm]",
    ),
    Mutant(
        "kernels/c/call/threads.py",
        "return 1 if _forked else torch",
        "return torch",
        "test_cells.py::test_a_forked_child_computes",
    ),
    # Text.
    Mutant(
        "kernels/c/headers/few_rows.h",
        "pair + 2 * (inside % LANES) + inside / LANES",
        "column",
        "test_sample.py::test_rounded_weights_write_what_a_rounded_model_writes",
    ),
    Mutant(
        "training/start.py",
        "begin_from_another(training)\n            training.averages = begun(model) if task.recipe.average else None",
        "begin_from_another(training)",
        "test_engine.py::test_the_average_of_a_run_from_weights_begins_with_them",
    ),
    Mutant(
        "kernels/c/headers/chain.h",
        "total[b] += first + last + (c->lengths[b] - 1) * top;",
        "total[b] += first + last + c->lengths[b] * top;",
        "test_crf.py::test_c_is_torch_to_the_last_tag",
        quick=True,
    ),
    Mutant(
        "kernels/c/headers/chain.h",
        "back[j] = way > going[j] ? i : back[j];",
        "back[j] = way >= going[j] ? i : back[j];",
        "test_crf.py::test_c_is_torch_to_the_last_tag",
    ),
    Mutant(
        "kernels/c/headers/chain.h",
        "if (!(share[j] > SMALLEST) && may_stand(c, before, j)) return TOO_SMALL;",
        "",
        "test_crf.py::test_scores_far_apart_stay_exact",
    ),
    Mutant(
        "kernels/c/headers/chain.h",
        "if (tag < 0 || tag >= n) return NO_TAG;",
        "if (tag >= n) return NO_TAG;",
        "test_crf.py::test_c_reads_no_memory_but_what_it_was_given",
    ),
    Mutant(
        "layers/ends.py",
        "between = rnn._drop if rnn.training and rnn.dropout else None",
        "between = None",
        "test_layers.py::test_the_last_state_alone_is_that_of_the_whole",
    ),
    Mutant(
        "kernels/c/headers/draw.h",
        "l[a] == l[b] && a < b",
        "l[a] == l[b] && a > b",
        "test_sample.py::test_c_draws_what_python_draws",
    ),
    Mutant(
        "kernels/c/headers/draw.h",
        "n < most && (n == 0 || sum < enough)",
        "n < most && sum < enough - w[0]",
        "test_sample.py::test_c_draws_what_python_draws",
    ),
    Mutant(
        "models/draw.py",
        "enough, reached, kept = p * _sum(weights), 0.0, set()",
        "enough, reached, kept = p, 0.0, set()",
        "test_sample.py::test_draws_have_the_nucleus_probabilities",
        quick=True,
    ),
    # Strings to order: their end, the overlap with their beginning, what is learned of padding,
    # and what is no new string.
    Mutant(
        "models/ending.py", "for character in (*end, model.characters - 1):", "for character in end:", ENDINGS
    ),
    Mutant("models/ending.py", "several = 1 if greedy else PATHS", "several = 1", ENDINGS),
    Mutant(
        "models/strings.py",
        "padding_value=UNSCORED",
        "padding_value=mark",
        f"{GENERATE}test_neither_batches_nor_their_order_nor_padding_change_the_loss",
    ),
    Mutant(
        "models/ordered.py",
        "new = not known and text not in self.texts",
        "new = text not in self.texts",
        f"{GENERATE}test_no_string_is_one_that_was_learned_from_unless_repeats_may_come",
    ),
    Mutant(
        "models/sample.py",
        "each = model.read(beside(torch.arange(model.characters, device=head.weight.device), given))",
        "each = torch.arange(model.characters)",
        f"{GENERATE}test_c_draws_under_conditions_what_torch_draws",
    ),
    Mutant(
        "data/string_parts.py",
        "return unknown or not characters.issuperset(rows.texts[place])",
        "return unknown",
        f"{GENERATE}test_a_string_is_on_one_side_and_what_nothing_else_has_is_learned_from",
    ),
    Mutant(
        "data/strings.py",
        "return len(self.vocabulary), 1, *(len(column.values) for column in self.columns)",
        "return ()",
        f"{GROWN}test_what_is_known_is_said_as_it_was_and_what_is_new_is_never_likelier[generate]",
    ),
    Mutant(
        "training/fine_tune.py",
        "found += [part, part.mean(dim, keepdim=True).repeat_interleave(new - old, dim)]",
        "found += [part, part.amax(dim, keepdim=True).repeat_interleave(new - old, dim)]",
        "test_engine.py::test_weights_are_carried_over_by_what_they_mean_and_new_ones_are_the_mean",
    ),
    Mutant(
        "models/words.py",
        "cutoffs(ordered)",
        "cutoffs(words)",
        f"{GROWN}test_words_that_came_later_are_behind_the_groups_of_an_adaptive_softmax",
    ),
    Mutant(
        "tasks/tag.py",
        "of = self._source(encoding)",
        "of = self.source",
        f"{GROWN}test_spans_of_another_scheme_are_learned_and_scored_in_the_runs_own",
    ),
    Mutant(
        "training/state.py",
        "if self.best is None or figure == self.best:",
        "if self.best is None:",
        f"{GROWN}test_what_is_new_is_learned_and_said[translate]",
    ),
    Mutant(
        "models/ngrams.py",
        "between = max(1, order - 1)",
        "between = 1",
        f"{GENERATE}test_an_n_gram_model_reads_each_string_by_itself",
    ),
    Mutant(
        "kernels/c/headers/generate.h",
        "a[slot_packed_for] != slices && me < slices",
        "a[slot_packed_for] != slices && me < 1",
        "test_sample.py::test_many_texts_are_each_alone_in_float32",
    ),
    Mutant(
        "kernels/c/headers/generate.h",
        "a[slot_odd] = w.odd",
        "a[slot_odd] = 0",
        "test_sample.py::test_chunks_do_not_change_the_text",
    ),
    # Memory that is held, and the minutes of a run.
    Mutant(
        "kernels/c/call/scratch.py",
        "self.references() == NOBODY and ",
        "",
        "test_scratch.py::test_what_a_user_or_another_process_has_is_not_used_again",
    ),
    Mutant(
        "kernels/c/call/scratch.py",
        " and not self.storage.is_shared()",
        "",
        "test_scratch.py::test_what_a_user_or_another_process_has_is_not_used_again",
    ),
    Mutant(
        "kernels/c/call/scratch.py",
        "if used > HELD:",
        "if False:",
        "test_scratch.py::test_no_more_is_held_than_allowed",
    ),
    Mutant(
        "kernels/c/call/scratch.py",
        "after_in_child=lambda: pool.__init__()",
        "after_in_child=lambda: None",
        "test_scratch.py::test_a_forked_child_begins_with_an_empty_pool",
    ),
    Mutant(
        "kernels/c/call/products.py",
        "torch.mm(operand, weights.t(), out=buffer(operand, len(operand), len(weights)))",
        "torch.mm(operand, weights.t())",
        "test_scratch.py::test_steps_that_are_alike_ask_the_system_for_nothing",
    ),
    Mutant(
        "kernels/remembered.py",
        "state[k] @ w.t()",
        "state[k]",
        "test_remembered.py::test_values_and_gradients_are_the_plain_functions",
    ),
    Mutant(
        "kernels/c/call/ways.py",
        "won < CLEARLY * beaten",
        "True",
        "test_ways.py::test_chance_does_not_change_the_models_choice",
    ),
    Mutant(
        "kernels/c/call/ways.py",
        "time=tried.calls > CALLS",
        "time=True",
        "test_ways.py::test_a_call_is_timed_once_it_was_made_often_and_never_again",
    ),
    Mutant(
        "kernels/c/call/library.py",
        "if arguments[ROOM] > held.size:",
        "if False:",
        "test_scratch.py::test_working_memory_is_held_and_changes_nothing",
    ),
    Mutant(
        "training/schedule.py",
        "first=self.first or self.steps,",
        "first=0,",
        "test_train.py::test_a_plan_that_is_settled_again_goes_on_where_the_rate_was",
    ),
    Mutant(
        "training/loop.py",
        "if evaluated and schedule.timed and not training.over():",
        "if False:",
        "test_resume.py::test_a_run_by_minutes_goes_on_under_the_plan_that_its_clock_settled_last",
    ),
    Mutant(
        "training/profile.py",
        "if self.steps == -1:",
        "if False:",
        "test_profile.py::test_what_a_step_copies_is_counted_in_one_that_does_not_count_for_its_time",
    ),
    # Torch's tools.
    Mutant(
        "kernels/gate.py",
        "if torch._C._len_torch_dispatch_stack() and not _only_counting():",
        "if False:",
        "test_gate.py::test_a_flop_counter_sees_the_products",
    ),
    Mutant(
        "kernels/gate.py",
        "(tensor.resolve_neg() if tensor.is_neg() else tensor)",
        "tensor",
        "test_gate.py::test_every_tensor_of_a_call_may_be_lazily_negated",
    ),
    Mutant(
        "kernels/gate.py",
        "if type(t) not in PLAIN or",
        "if",
        "test_gate.py::test_subclasses_come_back_as_such[lstm]",
        quick=True,
    ),
    Mutant(
        "layers/operator.py",
        "check_indices(tensor, graph.name, first)",
        "check_indices(tensor, graph.name, first + 1)",
        "test_compiled.py::test_compiled_layers_refuse_indices_that_stand_for_nothing[False-7]",
    ),
    Mutant(
        "layers/operator.py",
        "[rows.unsort(s) for s in final]",
        "final",
        "test_compiled.py::test_compiled_layers_take_lengths[both ways]",
    ),
    Mutant(
        "layers/operator.py",
        "if tensor.shape != wanted:",
        "if tensor.dim() != len(wanted):",
        "test_compiled.py::test_the_operator_checks_shapes_itself",
    ),
    Mutant(
        "layers/tracers.py",
        "range(min(2, value.dim()))",
        "range(0)",
        "test_tracers.py::test_a_trace_is_the_equations[lstm-4]",
    ),
    Mutant(
        "layers/torch_calls.py",
        "else layer._flat_weights",
        "else named",
        "test_tracers.py::test_assigned_flat_weights_are_read_as_torch_reads_them[LSTM]",
    ),
    # Cells and layers.
    Mutant(
        "cells/gru.py",
        "r * (U_n @ h + c_n)",
        "(r * (U_n @ h) + c_n)",
        "test_oracles.py::test_gru_is_torchs[reference]",
    ),
    Mutant(
        "cells/lstm/standard.py",
        "o = sigmoid(W_o @ x + U_o @ h + p_o * c + b_o)",
        "o = sigmoid(W_o @ x + U_o @ h + b_o) + 0 * p_o",
        "test_oracles.py::test_peephole_lstm_is_torchrecurrents[reference]",
    ),
    Mutant(
        "cells/dynamics.py",
        "W_y @ z + V_y",
        "W_y @ y + V_y",
        "test_oracles.py::test_lem_is_torchrecurrents_but_for_the_new_z",
    ),
    Mutant(
        "layers/lengths.py",
        "first[lengths[row] - 1 - time]",
        "first[lengths[row] - 1 - time.clamp(max=1)]",
        f"{LENGTHS}[reference-lstm]",
    ),
    Mutant(
        "layers/lengths.py",
        "state if self.restore is None else state.index_select(0, self.restore)",
        "state",
        f"{LENGTHS}[reference-lstm]",
    ),
    Mutant(
        "layers/stack.py",
        "x = (outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1), *x[1:])",
        "x = (outputs[0] if len(outputs) == 1 else torch.cat(outputs[::-1], -1), *x[1:])",
        "test_layers.py::test_two_layers_both_ways_equal_four_single_layers[reference-lstm]",
    ),
    # Export.
    Mutant(
        "exports/loop.py",
        '"scan_input_directions": [int(reverse)] * len(read),',
        '"scan_input_directions": [0] * len(read),',
        "test_export.py::test_both_directions[mgu]",
    ),
    Mutant(
        "exports/loop.py",
        '[inner.op("Where", active, n, loop.wires[old]) for n, old in zip(new, body.states)]',
        "new",
        f"{EXPORTED}[mgu-torch.float32-False-False]",
    ),
    Mutant(
        "exports/standard.py",
        'return net.op("Where", runs, new, old)',
        "return new",
        f"{EXPORTED}[lstm-torch.float32-False-False]",
    ),
    Mutant(
        "exports/standard.py",
        'gates = "iofg"',
        'gates = "ifog"',
        f"{EXPORTED}[lstm-torch.float32-False-False]",
    ),
    Mutant(
        "exports/standard.py",
        '_gru("gru", ("b_z", "b_r", "b_n", "", "", "c_n"), 1)',
        '_gru("gru", ("b_z", "b_r", "b_n", "", "", "c_n"), 0)',
        f"{EXPORTED}[gru-torch.float32-False-False]",
    ),
    Mutant(
        "exports/loop.py",
        'moved = net.op("Where", steps.runs(1), moved, net.number(0.0))',
        "pass",
        "test_export.py::test_resets[lengths1-True]",
    ),
    Mutant(
        "exports/matrices.py",
        "return (numbers.to(weights.dtype) * scales[:, None]).view_as(weights)",
        "return weights",
        "test_export.py::test_int8_costs_what_is_said[False]",
    ),
    Mutant(
        "exports/recurrent.py",
        "    if not layers.heads:",
        "    if True:",
        "test_export.py::test_equations_that_end_in_an_output_layer[softmax-2-False]",
    ),
    Mutant(
        "exports/recurrent.py",
        "return Wire(writing.steps.masked(joined), ",
        "return Wire(joined, ",
        "test_export.py::test_equations_that_end_in_an_output_layer[softmax-2-False]",
    ),
    Mutant(
        "exports/recurrent.py",
        "return state if own == width else",
        "return state if True else",
        "test_export.py::test_a_state_that_is_wider_in_one_layer_than_in_another[t_gru-False-5]",
    ),
    Mutant(
        "exports/series.py",
        'both = net.op("And", there, net.joined([none, part(there, 0, -1)], 0))',
        "both = there",
        "test_export_classifier.py::test_series[1-100-True-last-True-optional]",
    ),
    Mutant(
        "exports/writing.py",
        'rounded_up = net.op("Add", self.ends(), net.whole(stride - 1))',
        "rounded_up = self.ends()",
        "test_export_classifier.py::test_series[3-200-False-last-False-optional]",
    ),
    Mutant(
        "exports/translator.py",
        "    if there:  # of a row with no place at all, too",
        "    if False:",
        "test_export_translator.py::test_a_sentence_without_a_place_is_looked_at_nowhere",
    ),
    # What comes from outside.
    Mutant(
        "graph/check.py",
        "        if node.shape != right.shape:",
        "        if node.shape != right.shape and node.args:",
        f"{STORED}[a state said to be four wide]",
    ),
    Mutant(
        "graph/check.py",
        "if len(known.nodes[new].shape) != len(old):",
        "if False:",
        f"{STORED}[a new state that is a number]",
    ),
    Mutant(
        "graph/check.py",
        "if any(not 0 <= a < k for a in node.args):",
        "if any(a < 0 for a in node.args):",
        f"{STORED}[a node that rests on itself]",
    ),
    Mutant(
        "graph/check.py",
        "if found != names:",
        "if not {*found} <= {*names}:",
        f"{STORED}[an input that has no node]",
    ),
    Mutant(
        "kernels/c/emit/segment.py",
        'c if c in ALLOWED else "_"',
        'c if c != "*" else "_"',
        "test_emitted.py::test_comments_are_made_of_a_few_letters",
    ),
    Mutant(
        "kernels/c/emit/segment.py",
        """return f"w_{part.encode('utf-8', 'surrogatepass').hex()}\"""",
        "return part",
        "test_emitted.py::test_no_byte_of_the_code_comes_from_outside[rich]",
    ),
    Mutant(
        "kernels/c/build/cache.py",
        "for folder in (path, *path.parents):",
        "for folder in (path,):",
        "test_build.py::test_a_folder_below_one_that_others_may_write_is_refused",
    ),
    Mutant(
        "data/text.py",
        "place, rest = place + used, rest[used:]",
        'place, rest = place + used, b""',
        "test_text.py::test_blocks_may_end_inside_a_character_and_places_count_from_the_start",
    ),
    Mutant(
        "data/vocabulary.py",
        "if digest.hexdigest() != text.digest:",
        "if False:",
        "test_text.py::test_a_text_that_changes_between_two_readings_is_refused",
    ),
    Mutant(
        "terminal.py",
        'c if c in "\\n\\t" or unicodedata.category(c)[0] != "C"',
        'c if c in "\\n\\t" or unicodedata.category(c) != "Cc"',
        "test_terminal.py::test_what_is_printed_cannot_steer_a_terminal",
    ),
    # Pictures: where lines run, and that all steps are alike.
    Mutant(
        "views/channels.py",
        "while any(abs(height - t) < NEAR for t in taken):",
        "while False:",
        "test_geometry.py::test_lines_of_two_sources_never_lie_on_each_other[graph]",
    ),
    Mutant(
        "views/rows.py",
        "passed = [] if first is None else [(source, k) for k in range(first + 1, self.rank[target])]",
        "passed = []",
        "test_geometry.py::test_no_line_runs_through_a_label_or_a_box[graph]",
    ),
    Mutant(
        "views/picture.py",
        "pace * number, 0.0)",
        "pace * number + number * number, 0.0)",
        "test_geometry.py::test_steps_are_drawn_alike[elman]",
    ),
    Mutant(
        "views/runs.py",
        "at, begun = begun, None",
        "at, begun = end, None",
        "test_geometry.py::test_what_stands_low_stands_below_what_stands_high",
        quick=True,
    ),
    Mutant(
        "byhand/wires.py",
        "slopes[index] = sum(local[k] for k in inner)",
        "slopes[index] = gradients[index]",
        "test_geometry.py::test_the_central_figure_shows_its_slopes",
    ),
    # Output layers, and LaTeX read and written.
    Mutant(
        "layers/recurrent.py",
        "split_head(whole) if num_layers != 1 else (whole, None)",
        "(whole, None)",
        "test_head.py::test_layers_are_stacked_on_the_state[False]",
    ),
    Mutant(
        "transform/head.py",
        "if own & others - {",
        "if set() & others - {",
        "test_head.py::test_others_are_left_whole",
    ),
    Mutant(
        "latex/indices.py",
        "[-1] != over",
        "[-1] == over",
        "test_latex_reader.py::test_what_is_understood",
    ),
    Mutant(
        "latex/behind.py",
        "return [first, *run]",
        "parser.place -= len(run)\n    return [first]",
        "test_latex_reader.py::test_what_is_understood",
    ),
    Mutant(
        "views/latex_expression.py",
        "PRODUCT + tight",
        "PRODUCT",
        "test_latex_again.py::test_the_zoo_is_read_from_its_own_print[clockwork_rnn]",
    ),
    # A sentence's place, and the probabilities along it.
    Mutant(
        "commands/sentence.py",
        "found[-1].end()",
        "found[0].end()",
        "test_sentence.py::test_the_place_that_is_meant",
    ),
    Mutant(
        "models/probabilities.py",
        "begin : begin + SPAN, None], state",
        "begin : begin + SPAN, None], None",
        "test_sentence.py::test_probabilities_are_the_models",
    ),
    # Words: where no space stood is said, and no block's end cuts a word.
    Mutant(
        "data/words.py",
        'if kind == "word" and before == "sign":',
        'if before == "sign":',
        "test_words.py::test_joined_words_are_the_text_but_for_the_width_of_spaces",
    ),
    Mutant(
        "data/words.py",
        'r".*\\S(?=\\s)"',
        'r".*\\s(?=\\S)"',
        "test_words.py::test_a_long_text_in_blocks_has_the_words_of_the_whole",
    ),
    # The engine on a task unlike char-lm, and what every task's commands share.
    Mutant(
        "scoring.py",
        "with torch.random.fork_rng(devices=[]), evaluating(model):",
        "with evaluating(model):",
        "test_engine.py::test_evaluation_leaves_the_random_numbers_of_training_alone",
    ),
    Mutant(
        "training/state.py",
        'return figure < self.best if self.task.better == "lower" else figure > self.best',
        "return figure < self.best",
        "test_engine.py::test_the_highest_accuracy_decides_which_weights_are_kept",
    ),
    Mutant(
        "models/classifier.py",
        "logs + math.log1p(-COUNTED), counted",
        "logs + math.log1p(-COUNTED), logs",
        "test_classify.py::test_n_grams_have_a_third_of_the_vote",
    ),
    Mutant(
        "data/classes.py",
        " and pair[0] in known\n",
        "\n",
        "test_classify.py::test_n_grams_have_a_third_of_the_vote",
    ),
    Mutant(
        "training/report.py",
        "training.best, training.best_loss, training.worse = first, loss, 0",
        "training.best, training.best_loss = first, loss",
        "test_engine.py::test_patience_ends_a_run_and_is_recorded",
    ),
    Mutant(
        "training/state.py",
        '"worse": training.worse,',
        '"worse": 0,',
        "test_engine.py::test_patience_is_the_same_in_a_run_that_was_stopped",
    ),
    Mutant(
        "training/loop.py",
        "training.units += units",
        "training.units += training.data.units_per_step",
        "test_engine.py::test_units_are_counted_as_they_are",
    ),
    Mutant(
        "training/loop.py",
        "if not batch.count:",
        "if batch is None:",
        "test_engine.py::test_two_processes_learn_what_one_learns_where_one_of_them_has_no_row_of_a_batch",
    ),
    Mutant(
        "training/fine_tune.py",
        "] = old.to(new.dtype)",
        "] = new[tuple(slice(size) for size in old.shape)]",
        "test_engine.py::test_weights_are_carried_over_by_what_they_mean_and_new_ones_are_the_mean",
    ),
    Mutant(
        "training/start.py",
        "if settings.origin is not None:",
        "if settings.seed < 0:",
        "test_engine.py::test_what_was_learned_is_there_at_the_first_step",
    ),
    Mutant(
        "options.py",
        "and str(value) != STANDARD_INPUT",
        "and value",
        "test_commands.py::test_data_from_standard_input_are_kept_and_learned_again",
    ),
    Mutant(
        "runs/listing.py",
        '_better(r.task) == "higher"',
        "not r",
        "test_commands.py::test_runs_are_listed_with_what_differs_and_the_best_first",
    ),
    Mutant(
        "training/tensorboard.py",
        "[] if any(place.iterdir()) else folder.metrics()",
        "[]",
        "test_commands.py::test_a_run_begun_without_tensorboard_has_all_its_curves_from_when_it_is_asked_for",
    ),
    Mutant(
        "models/chain_sums.py",
        "reachable(chain, len(scores))[:, None]",
        "False",
        "test_crf.py::test_small_shares_are_found_where_a_tag_of_them_can_be_reached",
    ),
    Mutant(
        "models/chain_sums.py",
        ".where((place < lengths)[:, None], last)",
        "",
        "test_crf.py::test_gradients_are_those_of_the_enumeration[scaled]",
    ),
    Mutant(
        "models/chain_sums.py",
        "after = torch.logsumexp(ways, 2).where(inside, last)",
        "after = torch.logsumexp(ways, 2)",
        "test_crf.py::test_partition_score_best_and_marginals_are_those_of_the_enumeration",
    ),
    Mutant(
        "models/crf.py",
        "last = last.where(place >= lengths - 1, back[place][rows, last])",
        "last = back[place][rows, last]",
        "test_crf.py::test_partition_score_best_and_marginals_are_those_of_the_enumeration",
    ),
    Mutant(
        "data/spans.py",
        'begins = prefix != OUTSIDE and (prefix == "B" or last == OUTSIDE or kind != of)',
        'begins = prefix == "B"',
        "test_spans.py::test_counts_on_bio_are_those_of_conlleval[False]",
    ),
    Mutant(
        "data/spans.py",
        "elif prefix == OUTSIDE or kind != of:",
        "elif prefix == OUTSIDE:",
        "test_spans.py::test_counts_are_those_of_strict_seqeval[bioes-False]",
    ),
    Mutant(
        "data/conll.py",
        "    if settled.numbered and not row[0].isdecimal():",
        "    if False:",
        "test_conll.py::test_ranges_and_empty_nodes_of_conllu_are_no_words",
    ),
    Mutant(
        "data/vectors.py",
        "        if line == 1 and _is_header(content):",
        "        if False:",
        "test_tag.py::test_vectors_are_read_and_a_header_is_none[header]",
    ),
    Mutant(
        "models/word_reader.py",
        'found.masked_fill(~there.t()[:, None], float("-inf")).amax(-1)',
        "found.amax(-1)",
        "test_tag.py::test_a_sentence_alone_gives_what_it_gives_in_a_batch[yes-convolution]",
    ),
    Mutant(
        "models/tagger.py",
        "self._scores(distinct, reading, start, end, state)",
        "self._scores(distinct, reading, start, end, None)",
        "test_tag.py::test_layers_that_go_forward_read_a_long_document_in_pieces_as_whole[yes]",
    ),
    Mutant(
        "training/state.py",
        "training.averages = averages or None",
        "averages = averages or None",
        "test_tag.py::test_a_run_that_was_stopped_ends_as_one_that_was_not",
    ),
    # Models of words: what is counted, scored, grouped and stepped.
    Mutant(
        "models/kneser_ney.py",
        "grams[k][places[k + 1] + 1]",
        "grams[k][places[k + 1]]",
        "test_word_models.py::test_bigrams_by_hand",
    ),
    Mutant(
        "models/kneser_ney.py",
        "+ order.left[context] * chance[k - 1 :]",
        "+ 0.9 * chance[k - 1 :]",
        "test_word_models.py::test_chances_of_words_after_any_context_add_up_to_one",
    ),
    Mutant(
        "models/softmax.py",
        "chances.new_full(at.shape, -1.0)",
        "chances.new_full(at.shape, 1.0)",
        "test_word_models.py::test_fused_cross_entropy_is_torchs",
    ),
    Mutant(
        "models/word_heads.py",
        "targets[rows] - self.cutoffs[k]",
        "targets[rows] - self.cutoffs[0]",
        "test_word_models.py::test_adaptive_softmax_is_torchs_and_adds_up_to_one",
    ),
    Mutant(
        "models/gap.py",
        "[before + word + after for word in compared]",
        "[before + word for word in compared]",
        "test_word_lm.py::test_a_gap_is_ranked_by_what_stands_before_it_and_after_it",
    ),
    Mutant(
        "tasks/word_lm.py",
        "return torch.cat([begin.to(tokens.dtype), tokens])",
        "return tokens",
        "test_word_lm.py::test_every_token_of_a_text_is_scored_once_the_first_one_too",
    ),
    Mutant(
        "training/optimiser.py",
        'if recipe.optimiser == "sgd":',
        "if False:",
        "test_word_lm.py::test_a_run_with_sgd_goes_on_bit_for_bit_and_keeps_nothing_between_steps",
    ),
    Mutant(
        "training/schedule.py",
        "- recipe.steady_epochs + 1)",
        "- recipe.steady_epochs)",
        "test_word_lm.py::test_the_rate_falls_by_epochs_where_that_is_asked_for",
    ),
    # Translation: what padding is, what a beam may go on with, what is held out.
    Mutant(
        "models/attention.py",
        "scores.masked_fill(memory.absent[:, None], -math.inf)",
        "scores",
        "test_translation.py::test_padding_gets_no_weight_and_no_gradient[luong]",
    ),
    Mutant(
        "models/search.py",
        "open_[sentence] -= 1",
        "pass",
        "test_translation.py::test_what_has_ended_is_never_gone_on_with[Beam(width=4, penalty=1.0,"
        " distinct=0)]",
    ),
    Mutant(
        "models/search.py",
        "total / ((5 + length) / 6) ** self.penalty",
        "total / length**self.penalty",
        "test_translation.py::test_a_hypothesis_is_worth_what_its_symbols_are",
    ),
    Mutant(
        "models/translation.py",
        "context, upper = context.transpose(0, 1), ()",
        "context, upper = context.transpose(0, 1).roll(1, 0), ()",
        "test_translation.py::test_all_steps_at_once_are_the_steps_one_by_one[lstm-luong]",
    ),
    Mutant(
        "kernels/c/headers/decode.h",
        "s->open--;",
        ";",
        "test_translation.py::test_c_finds_what_torch_finds[lstm-luong]",
    ),
    Mutant(
        "kernels/c/headers/decode.h",
        "(const real *)state[1] + parents[r] * wide",
        "(const real *)state[1] + r * wide",
        "test_translation.py::test_c_finds_what_torch_finds[gru-all]",
    ),
    Mutant(
        "kernels/c/headers/screen.h",
        "(row->miss * s->size[v] + row->size * s->miss[v])",
        "0",
        "test_translation.py::test_a_sentence_alone_is_screened_and_finds_the_same[701-Beam(width=1, penalty=1.0, distinct=0)]",
    ),
    Mutant(
        "kernels/c/headers/alone.h",
        "one.logit == best->logit && one.symbol < best->symbol",
        "one.logit == best->logit && one.symbol > best->symbol",
        "test_translation.py::test_a_sentence_alone_is_screened_and_finds_the_same[701-Beam(width=1, penalty=1.0, distinct=0)]",
    ),
    Mutant(
        "kernels/c/headers/decode_step.h",
        "low = unit_of(N, slice, slices), columns",
        "low = 0 * slice, columns",
        "test_translation.py::test_a_team_finds_what_one_thread_finds[lstm-luong-2]",
    ),
    Mutant(
        "tasks/translate.py",
        "grouped([pair.source for pair in read.pairs], self.held_out)",
        "grouped([str(place) for place in range(len(read.pairs))], self.held_out)",
        "test_translate.py::test_no_source_stands_on_both_sides",
    ),
    Mutant(
        "tasks/translate.py",
        "smoothing = self.smoothing if model.training else 0.0",
        "smoothing = self.smoothing",
        "test_translate.py::test_the_loss_is_torchs_with_smoothing_while_training_only",
    ),
    Mutant(
        "runs/run.py",
        "check_options(ask)",
        "ask",
        "test_hostile_tasks.py::test_counts_below_one_are_refused[classify numbers]",
    ),
    Mutant(
        "data/subwords.py",
        "or not LETTERS <= set(pieces)",
        "",
        "test_hostile_tasks.py::test_the_letters_of_subwords_are_those_that_the_library_has_for_bytes",
    ),
    Mutant(
        "terminal.py",
        "None if isinstance(value, float) and not math.isfinite(value) else value",
        "value",
        "test_hostile_tasks.py::test_weights_that_are_no_numbers_give_json_or_a_sentence[classify characters]",
    ),
    Mutant(
        "models/translating.py",
        "check_length(max(len(read), len(written)))",
        "pass",
        "test_hostile_tasks.py::test_a_long_sentence_is_translated_in_little_memory_or_refused",
    ),
    # Classification: no leak, no padding, every example once.
    Mutant(
        "models/classifier.py",
        "places = every[rows.apart != number]",
        "places = every[rows.apart >= 0]",
        "test_classifier.py::test_a_member_is_blind_to_its_fold",
    ),
    Mutant(
        "models/classifier.py",
        "last = y[lengths - 1, torch.arange(y.shape[1], device=y.device)]",
        "last = y[-1]",
        "test_classifier.py::test_a_row_alone_is_what_it_is_in_a_batch[0-last]",
    ),
    Mutant(
        "models/series.py",
        "x = torch.where(inside, x, 0.0)\n        x = torch.where(inside, x - x.sum",
        "x = torch.where(inside, x - x.sum",
        "test_classifier.py::test_padding_may_hold_anything",
    ),
    Mutant(
        "data/classes.py",
        "if fold != member]",
        "if fold >= 0]",
        "test_classify.py::test_scales_are_those_of_what_a_member_learns_from",
    ),
    Mutant(
        "data/split.py",
        "groups.setdefault(key, []).append(place)",
        'groups.setdefault(f"{key}{place}", []).append(place)',
        "test_split.py::test_no_key_stands_on_both_sides",
    ),
    Mutant(
        "data/examples.py",
        "ends = [count * k // batches for k in range(batches + 1)]",
        "ends = [self.rows * k for k in range(batches + 1)]",
        "test_examples.py::test_every_example_once_an_epoch_and_no_small_batch",
    ),
    Mutant(
        "layers/reading.py",
        "if each.names]",
        "if not each.names]",
        "test_reading.py::test_weights_are_put_together_once",
    ),
    Mutant(
        "data/bad_rows.py",
        "raise error.elsewhere() from None",
        "raise",
        "test_bad_rows.py::test_predict_of_a_bad_row",
    ),
)
