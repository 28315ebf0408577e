"""One training loop for every method that learns."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from coldray.contracts import Method, settings_of, shown_by
from coldray.document import Json, as_number, as_table, as_text, entries_of
from coldray.errors import CheckpointError, SettingsError, TrainingError
from coldray.files import write_text
from coldray.frame import Frame
from coldray.plugins import Degradation, plugin
from coldray.restoration.build import build_network
from coldray.settings import check_options
from coldray.training import validation
from coldray.training.muon import Muon, split_weights
from coldray.training.pairs import PairSource
from coldray.training.recipe import OptimiserRecipe, Recipe
from coldray.training.start import load_weights, weights_file
from coldray.training.states import SCORES, RunStates, read_scores
from coldray.training.teacher import Teacher

Progress = Callable[[int, int, str], None]
OPTIMISERS = ("adam", "muon")
"""Prefixes of the optimisers' moments in a state."""


def has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware (AMX or AVX-512 BF16)."""
    checks = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(check is not None and bool(check()) for check in checks)


def on_cpus() -> bool:
    """Whether several processes share a training without GPUs; Accelerate joins them only if it is told."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and not torch.cuda.is_available()


def schedule(recipe: OptimiserRecipe, step: int) -> float:
    """Share of the full learning rate: warm-up, constant, then a cosine fall to zero over the last `decay_steps`."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    left = recipe.steps - step
    if left < recipe.decay_steps:
        return 0.5 * (1 - float(np.cos(np.pi * left / recipe.decay_steps)))
    return 1.0


def loss_of(
    recipe: OptimiserRecipe, estimate: Tensor, target: Tensor, taught: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Loss over the inner pixels; `log_mse` weighs every example by its relative improvement.

    Parameters
    ----------
    recipe : OptimiserRecipe
    estimate : Tensor, shape (batch, 1, rows, cols)
    target : Tensor, shape (batch, 1 or 2, rows, cols)
        With the weight of every pixel as a second plane, if there are weights.
    taught : (Tensor, Tensor), optional
        Answers of a teacher and which of them count, see `Teacher`: where a teacher errs less than the estimate, the squared
        error is that to the teacher plus the teacher's own.
    """
    if recipe.border:
        b = recipe.border
        estimate, target = estimate[..., b:-b, b:-b], target[..., b:-b, b:-b]
    weight = target[:, 1:] / target[:, 1:].mean(dim=(1, 2, 3), keepdim=True) if target.shape[1] > 1 else None
    target = target[:, :1]

    def mean(values: Tensor) -> Tensor:
        return (values if weight is None else values * weight).mean(dim=(1, 2, 3))

    error = estimate - target
    if recipe.loss == "l1":
        return mean(error.abs()).mean()
    squared = mean(error.square())
    if taught is not None:
        answer, known = taught
        answer = answer[
            ..., recipe.border : answer.shape[-2] - recipe.border, recipe.border : answer.shape[-1] - recipe.border
        ]
        own = mean((answer - target).square())
        better = known & (own < squared.detach())
        squared = torch.where(better, mean((estimate - answer).square()) + own, squared)
    return squared.mean() if recipe.loss == "mse" else torch.log(squared + 1e-8).mean()


def _ema(recipe: OptimiserRecipe) -> Any:
    @torch.no_grad()
    def average(mean: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        # a short memory at first, so that the average is not held back by the start
        decay = min(recipe.ema, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(mean, current, 1 - decay)

    return average


def validation_method(recipe: Recipe) -> tuple[Method, str]:
    """Method that scores a run, and its name.

    Returns
    -------
    method, name
        The recipe's choice; else one step (`direct`) where it shows the network what the trained method
        shows it; else the trained method itself.

    Raises
    ------
    SettingsError
        If the chosen method shows its network something else, or lacks one of the options.
    """
    trained, one_step = plugin("method", recipe.method), plugin("method", "direct")
    fits = shown_by(one_step) == shown_by(trained)
    name = recipe.log.validate_with or ("direct" if fits else recipe.method)
    method = plugin("method", name)
    if shown_by(method) != shown_by(trained):
        raise SettingsError(f"log.validate_with: {name!r} does not use the network that {recipe.method!r} trains")
    check_options(settings_of(method), recipe.log.validate_options, f"log.validate_options: the method {name!r}")
    return method, name


class Training:
    """A resumable run.

    Parameters
    ----------
    recipe : Recipe
    train, validation : PairSource
    folder : Path
        Run folder; states, scores and pictures go there.

    Notes
    -----
    The stream of examples is a function of the step, and the state holds weights, averages and
    optimiser moments: on one CPU thread a killed and restarted run ends with the same weights as an
    unbroken one.
    """

    def __init__(self, recipe: Recipe, train: PairSource, validation: PairSource, folder: Path) -> None:
        self.recipe, self._train, self._validation, self.folder = recipe, train, validation, folder
        optimiser = recipe.optimiser
        if optimiser.threads:
            torch.set_num_threads(optimiser.threads)
        bf16 = optimiser.precision == "bf16" or (
            optimiser.precision == "auto" and (torch.cuda.is_available() or has_bf16())
        )
        self.accelerator = Accelerator(mixed_precision="bf16" if bf16 else "no", cpu=on_cpus())
        torch.manual_seed(recipe.random_state)
        method = plugin("method", recipe.method)
        network = build_network(
            recipe.network.name,
            {"channels": len(method.CHANNELS), "conditions": len(method.CONDITIONS)} | recipe.network.settings,
            SettingsError,
        )
        if recipe.network.start is not None:
            load_weights(network, weights_file(recipe.network.start), self._train.batch)
        if recipe.network.teacher is not None and optimiser.loss == "l1":
            raise SettingsError("network.teacher needs a squared error: set optimiser.loss to log_mse or mse")
        self._teacher = (
            None
            if recipe.network.teacher is None
            else Teacher(recipe.network.teacher, len(method.CHANNELS), self.accelerator.device)
        )
        self._judge, self._judge_name = validation_method(recipe)
        network = network.to(memory_format=torch.channels_last)
        wide, others = split_weights(network) if optimiser.name == "muon" else ([], list(network.parameters()))
        moments: list[torch.optim.Optimizer] = [torch.optim.Adam(others, lr=optimiser.learning_rate)]
        if wide:
            moments.append(Muon(wide, lr=optimiser.muon_learning_rate))
        self.network, *self._moments = self.accelerator.prepare(network, *moments)
        self._rates = (optimiser.learning_rate, optimiser.muon_learning_rate)
        self.average = AveragedModel(self.accelerator.unwrap_model(self.network), multi_avg_fn=_ema(optimiser))
        # Accelerate makes the forward pass of what is trained one in bf16; what is scored and exported computes in fp32
        self.accelerator.unwrap_model(self.plain_network, keep_fp32_wrapper=False)
        self.step = 0
        self.warnings: list[str] = []
        self._states = RunStates(folder / "states", recipe.log.keep)
        self._resume()

    @property
    def plain_network(self) -> nn.Module:
        """Averaged network, as it is used."""
        return self.average.module

    def run(self, progress: Progress | None = None, stop_at: int | None = None) -> list[dict[str, Json]]:
        """Train until the recipe's last step (or `stop_at`) and return the validation scores so far."""
        optimiser, log = self.recipe.optimiser, self.recipe.log
        last = min(optimiser.steps, stop_at or optimiser.steps)
        began, first = time.perf_counter(), self.step
        if self.accelerator.is_main_process:
            self._states.drop({self.step, self._best()})
        ranks, rank = self.accelerator.num_processes, self.accelerator.process_index
        # on a CPU a second thread would only take the cores from the convolutions
        ahead = self.accelerator.device.type != "cpu"
        with ThreadPoolExecutor(1) as pool:
            coming = None
            while self.step < last:
                number = self.step * ranks + rank
                channels, conditions, target = self._train.batch(number) if coming is None else coming.result()
                coming = pool.submit(self._train.batch, number + ranks) if ahead and self.step + 1 < last else None
                loss = self._update(channels, conditions, target)
                self.step += 1
                scored, kept = (
                    self.step % every == 0 or self.step == last for every in (log.validate_every, log.save_every)
                )
                if scored or kept:
                    self._check_sound(channels, conditions, target)
                if scored:
                    self._record(loss)
                if kept:
                    self.save()
                if progress is not None:
                    pace = (self.step - first) * optimiser.batch / (time.perf_counter() - began)
                    progress(self.step, last, f"loss {loss:.3f}, {pace:.1f} examples/s")
        return self.scores()

    def _update(
        self, channels: NDArray[np.float32], conditions: NDArray[np.float32], target: NDArray[np.float32]
    ) -> float:
        fraction = schedule(self.recipe.optimiser, self.step)
        for moments, rate in zip(self._moments, self._rates, strict=False):
            for group in moments.param_groups:
                group["lr"] = rate * fraction
        loss = self._loss(self.network, channels, conditions, target)
        for moments in self._moments:
            moments.zero_grad()
        self.accelerator.backward(loss)
        # an orthogonal update has its size from the rate alone: clipping is for what Adam updates
        norm = self.accelerator.clip_grad_norm_(self._moments[0].param_groups[0]["params"], self.recipe.optimiser.clip)
        if not torch.isfinite(loss.detach() + norm):
            raise self._diverged(f"the loss is {float(loss.detach()):.3g}, the norm of the gradient {float(norm):.3g}")
        for moments in self._moments:
            moments.step()
        self.average.update_parameters(self.accelerator.unwrap_model(self.network))
        return float(loss.detach())

    def _loss(
        self,
        network: nn.Module,
        channels: NDArray[np.float32],
        conditions: NDArray[np.float32],
        target: NDArray[np.float32],
    ) -> Tensor:
        device = self.accelerator.device
        shown = torch.from_numpy(channels).to(device, memory_format=torch.channels_last)
        with self.accelerator.autocast():
            estimate = network(shown, torch.from_numpy(conditions).to(device))
            taught = None if self._teacher is None else self._teacher.answers(shown, conditions)
        return loss_of(self.recipe.optimiser, estimate.float(), torch.from_numpy(target).to(device), taught)

    def _check_sound(self, *batch: NDArray[np.float32]) -> None:
        """Look at the weights before they are scored or saved: an update may have broken what the loss before it shows."""
        with torch.no_grad():
            losses = [float(self._loss(network, *batch)) for network in (self.network, self.plain_network)]
        if not np.isfinite(losses).all():
            raise self._diverged(
                f"after the last update the loss is {losses[0]:.3g}, {losses[1]:.3g} of the averaged weights"
            )

    def _diverged(self, found: str) -> TrainingError:
        kept = self._states.steps()
        left = f"the last good state is that after step {kept[-1]}" if kept else "no state was saved"
        return TrainingError(
            f"the training diverged at step {self.step}: {found}; {left}; give a lower optimiser.learning_rate or "
            "optimiser.clip, or a longer optimiser.warmup_steps, and start again"
        )

    def validate(self) -> dict[str, float]:
        """Scores on the validation fields, per exposure, beside the Wiener filter's; see `validation.scores`."""
        options = self.recipe.log.validate_options
        return validation.scores(self._validation, self._judge_name, self._restore, options)

    def _restore(
        self, frame: Frame, degradation: Degradation, rng: np.random.Generator, **options: Json
    ) -> NDArray[np.floating]:
        """Restore a frame by the averaged network."""
        network = self.plain_network.eval()

        def predictor(
            channels: tuple[NDArray[np.floating], ...], conditions: NDArray[np.float32]
        ) -> NDArray[np.float32]:
            with torch.no_grad():
                image = torch.from_numpy(np.stack(channels)[None].astype(np.float32)).to(self.accelerator.device)
                answer = network(
                    image.to(memory_format=torch.channels_last), torch.from_numpy(conditions[None]).to(image.device)
                )
                return np.asarray(answer[0, 0].cpu().numpy())

        found: NDArray[np.floating] = self._judge.restore(frame, degradation, predictor, rng, **options)
        return found

    def save(self) -> None:
        """Write the resumable state."""
        if not self.accelerator.is_main_process:
            return
        tensors = {f"network.{k}": v for k, v in self.accelerator.unwrap_model(self.network).state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.plain_network.state_dict().items()}
        tensors["averaged"] = self.average.n_averaged
        for name, optimiser in zip(OPTIMISERS, self._moments, strict=False):
            for i, moments in optimiser.state_dict()["state"].items():
                tensors |= {f"{name}.{i}.{k}": v for k, v in moments.items()}
        self._states.save(
            self.step,
            {k: v.detach().float().cpu().contiguous().numpy() for k, v in tensors.items()},
            {"recipe": self.recipe.model_dump(mode="json")},
            self._best(),
        )

    def _best(self) -> int:
        """Step of the best scored state that is kept; this step if none is."""
        kept = {self.step, *self._states.steps()}
        scored = {e["step"]: np.mean([e[k] for k in self._judged(e)]) for e in self.scores() if e["step"] in kept}
        return int(max(scored, key=lambda step: scored[step], default=self.step))

    def _judged(self, entry: Mapping[str, Json]) -> list[str]:
        return [k for k in entry if k.startswith(f"{self._judge_name}_") and k.endswith("_psnr_db")]

    def scores(self) -> list[dict[str, Json]]:
        """Validation scores of the run so far."""
        return read_scores(self.folder)

    def _resume(self) -> None:
        found = self._states.newest()
        if found is None:
            return
        tensors, header, self.warnings = found
        with entries_of(f"the newest state of {self.folder.name}", CheckpointError):
            recipe, step = as_table(header["recipe"]), int(as_number(header["step"]))
            network, optimiser_then = as_table(recipe["network"]), as_table(recipe["optimiser"])
            method = as_text(recipe["method"])
        wanted = self.recipe.network.model_dump(mode="json")
        if any(network.get(key) != wanted[key] for key in ("name", "settings")):
            raise SettingsError("the run folder holds another network; choose another run folder or delete this one")
        if optimiser_then.get("name", "adam") != self.recipe.optimiser.name:
            raise SettingsError("the run folder was trained by another optimiser; choose another run folder")
        began, here = (plugin("method", name) for name in (method, self.recipe.method))
        if shown_by(began) != shown_by(here):
            raise SettingsError(
                f"the run folder holds a network for {method!r}, which is shown other images than "
                f"for {self.recipe.method!r}; choose another run folder or delete this one"
            )

        def part(prefix: str) -> dict[str, Tensor]:
            return {k[len(prefix) :]: torch.from_numpy(v.copy()) for k, v in tensors.items() if k.startswith(prefix)}

        self.accelerator.unwrap_model(self.network).load_state_dict(part("network."))
        self.plain_network.load_state_dict(part("average."))
        # earlier states held scalars as arrays of one
        self.average.n_averaged.copy_(torch.from_numpy(np.array(tensors["averaged"]).reshape(())))
        for name, optimiser in zip(OPTIMISERS, self._moments, strict=False):
            state = optimiser.state_dict()
            moments: dict[int, dict[str, Tensor]] = {}
            for place, value in part(f"{name}.").items():
                number, _, key = place.partition(".")
                moments.setdefault(int(number), {})[key] = value.reshape(()) if key == "step" else value
            state["state"] = moments
            optimiser.load_state_dict(state)
        self.step = step

    def _record(self, loss: float) -> None:
        # every process has its own part of the batch
        loss = float(self.accelerator.reduce(torch.tensor(loss, device=self.accelerator.device), "mean"))
        if not self.accelerator.is_main_process:
            return
        entry = {"step": self.step, "loss": loss, "time": time.time(), **self.validate()}
        self.folder.mkdir(parents=True, exist_ok=True)
        # a killed run repeats steps; its later entries replace the earlier ones
        kept = [e for e in self.scores() if as_number(e["step"]) < self.step] + [entry]
        write_text(self.folder / SCORES, "".join(json.dumps(e) + "\n" for e in kept))
        sheet = io.StringIO(newline="")
        table = csv.DictWriter(sheet, fieldnames=list(kept[-1]), extrasaction="ignore")
        table.writeheader()
        table.writerows(kept)
        write_text(self.folder / "scores.csv", sheet.getvalue())
        options = self.recipe.log.validate_options
        validation.write_picture(self.folder / "validation.png", self._validation, self._restore, options)
