"""DeepMind Control suite, from pixels as in the paper's experiments (Section 6) or from vectors."""

import math

import numpy as np

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.builtin import BuiltinEnv, numbers
from dreamer_tf.envs.spec import UNBOUNDED
from dreamer_tf.envs.tasks import PAPERS_SIZE, suite_task


class DeepMindControl(BuiltinEnv):
    """One task of the control suite.

    Args:
        task: `dmc_<domain>_<task>`; `cup` stands for `ball_in_cup`.
        observation: "image", "vector" (all of dm_control's own observations in their order) or
            "both". A vector alone needs no OpenGL.
        action_repeat: environment steps per action, 2 in the paper.
        time_limit: environment steps of an episode, 1000 in the suite.
        quality: "paper" gives exactly `physics.render(64, 64, camera)`; "fast" has a smaller
            shadow map and no multisampling, which costs a few grey levels at edges.
        render_size: pixels a side of `render()`.
        image_size: pixels a side of the observed image.

    Raises:
        UserError: unknown task or quality.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}

    def __init__(
        self,
        task: str,
        observation: str = "image",
        action_repeat: int = 2,
        time_limit: int = 1000,
        quality: str = "paper",
        render_size: int = 240,
        image_size: int = PAPERS_SIZE,
    ):
        domain, name = suite_task(task)
        if quality not in ("paper", "fast"):
            raise UserError(f"unknown render quality '{quality}'; use 'paper' or 'fast'")
        # Imported here, because importing dm_control loads an OpenGL library.
        from dm_control import suite

        # The fixed seed only matters to tasks that draw their model when they are loaded (lqr).
        # Without a limit of dm_control's own, ours is the only one and counts environment steps.
        self._env = suite.load(domain, name, task_kwargs={"random": 0, "time_limit": float("inf")})
        self._camera = 2 if domain == "quadruped" else 0
        self.terminates = domain == "lqr"
        bounds = self._env.action_spec()
        # lqr has no bounds, which dm_control writes as 1e10; its actions are taken as they are.
        bounded = bounds.maximum < UNBOUNDED
        self._centre = np.where(bounded, (bounds.maximum + bounds.minimum) / 2, 0.0)
        self._half_range = np.where(bounded, (bounds.maximum - bounds.minimum) / 2, 1.0)
        self._observed = {}
        size = sum(math.prod(each.shape) for each in self._env.observation_spec().values())
        super().__init__(
            observation,
            size,
            numbers(bounds.shape[0]),
            action_repeat,
            time_limit,
            render_size,
            image_size,
        )
        if quality == "fast":
            # Has an effect only before the first image, when the render context is made.
            self._physics.model.vis.quality.shadowsize = 512
            self._physics.model.vis.quality.offsamples = 0

    @property
    def _physics(self):
        return self._env.physics

    def _begin(self, seed):
        self._env.task.random.seed(seed)
        self._observed = self._env.reset().observation

    def _advance(self, action):
        step = self._env.step(self._centre + self._half_range * action)
        self._observed = step.observation
        return step.reward, bool(step.last() and step.discount == 0.0)

    def _draw(self, size):
        return np.array(self._physics.render(size, size, camera_id=self._camera))

    def _measure(self):
        return np.concatenate([np.ravel(value) for value in self._observed.values()])

    def close(self) -> None:
        """Frees the physics and its render context; the environment is unusable afterwards."""
        if self._env is not None:
            self._env.physics.free()
            self._env = None
