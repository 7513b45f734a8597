"""A moment of a recording as a graph, and all its agents predicted in one pass.

Agents are nodes, and who is near somebody sends him an edge, so nothing is padded to the
largest number of neighbours. Edges are encoded once each, the softmax of attention and its
sum run over the edges that come in (section 2.5); the numbers are those of windows.
"""

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from iclr22 import errors
from iclr22.data.tracks import Tracks
from iclr22.trajectory_shapley import networks, trajectron
from iclr22.trajectory_shapley.metrics import Mixture


def scene_graph(
    tracks: Tracks,
    recording: int,
    frame: int,
    radius: float | None = None,
    history: int = 8,
    *,
    size: tuple[int, int] | None = None,
) -> jraph.GraphsTuple:
    """Who is there at a frame, and who is near whom.

    Args:
      recording: its number in the tracks.
      frame: the present time t.
      radius: distance at t up to which there is an edge; that of the tracks if None.
      history: frames up to t that are seen.
      size: nodes and edges to pad to, so that many scenes have one shape; what is padded
        belongs to a second graph. At least one node more than there are agents.

    Returns:
      Nodes by agent: `history [nodes, history, 6]` (states, positions minus the one at t;
      0 where the agent was not there), `kind`, `agent [nodes]` int32. Edges by receiver,
      then sender: `[edges, history, 6]`, the sender's states minus the receiver's at t; 0
      where the sender was not there.

    Raises:
      errors.InputError: nobody is there, or the size is too small.
    """
    agent, kind, states, there = _states(tracks, recording, frame, history)
    radius = tracks.radius if radius is None else radius
    apart = states[:, None, -1, :2] - states[None, :, -1, :2]
    near = np.hypot(apart[..., 0], apart[..., 1]) <= radius
    receivers, senders = np.nonzero(near & ~np.eye(len(near), dtype=bool))
    edges = states[senders] - states[receivers, -1:]
    edges[~there[senders]] = 0
    appeared = ~there[senders, -2]
    edges[appeared, -1, 2:] = 0  # one row tells no velocity
    own = states.copy()
    own[..., :2] -= states[:, -1:, :2]
    own[~there] = 0
    graph = jraph.GraphsTuple(
        nodes={"history": own, "kind": kind, "agent": agent},
        edges=edges,
        senders=np.int32(senders),
        receivers=np.int32(receivers),
        n_node=np.asarray([len(own)], np.int32),
        n_edge=np.asarray([len(edges)], np.int32),
        globals=None,
    )
    return graph if size is None else _padded(graph, *size)


def _states(tracks, recording, frame, history):
    """Agents at a frame, their kinds, their states `[agents, history, 6]`, and where they
    were there without a gap up to it, bool `[agents, history]`.

    Differences go backwards and the first of a run is repeated; two frames before the
    history tell those of its first.
    """
    length = history + 2
    since = frame - length + 1
    rows = np.flatnonzero(
        (tracks.recording == recording)
        & (tracks.frame >= since)
        & (tracks.frame <= frame)
    )
    now = rows[tracks.frame[rows] == frame]
    if not len(now):
        raise errors.InputError(
            f"expected agents in recording {recording} at frame {frame}; found none. "
            f"There are recordings 0 to {len(tracks.names) - 1}; choose one of its frames."
        )
    agent = tracks.agent[now]
    rows = rows[np.isin(tracks.agent[rows], agent)]
    place = np.searchsorted(agent, tracks.agent[rows]), tracks.frame[rows] - since
    states = np.zeros((len(agent), length, 6), np.float32)
    there = np.zeros(states.shape[:2], bool)
    states[(*place, slice(2))], there[place] = tracks.xy[rows], True
    there = np.logical_and.accumulate(there[:, ::-1], axis=1)[:, ::-1]
    first = there & ~np.roll(there, 1, axis=1)
    first[:, 0] = there[:, 0]
    first &= np.arange(length) < length - 1
    who, when = np.nonzero(first)
    for order in (2, 4):
        change = np.diff(states[..., order - 2 : order], axis=1) / np.float32(tracks.dt)
        known = there[:, 1:] & there[:, :-1]
        states[:, 1:, order : order + 2] = np.where(known[..., None], change, 0)
        repeated = states[who, when + 1, order : order + 2]
        states[who, when, order : order + 2] = repeated
    return agent, tracks.kind[now], states[:, 2:], there[:, 2:]


def _padded(graph, nodes, edges):
    found = int(graph.n_node[0]), int(graph.n_edge[0])
    if nodes <= found[0] or edges < found[1]:
        raise errors.InputError(
            f"expected room for {found[0]} nodes, one to pad with, and {found[1]} edges; "
            f"found a size of {nodes} and {edges}. Give a larger one."
        )
    return jraph.pad_with_graphs(graph, nodes, edges, 2)


def predict_scene(config: trajectron.Config, params, graph) -> Mixture:
    """Paths of every agent, mixtures over `[nodes, modes, horizon, 2]`, as
    `trajectron.apply` has them for windows; pure, and compiled once per size.

    Args:
      config, params: of a `trajectron` model, whatever its interaction.
      graph: of `scene_graph`; of padded nodes the result means nothing.
    """
    module = trajectron.network(config).bind({"params": params})
    nodes = graph.nodes
    history = trajectron.standardise(config, nodes["history"])
    own = module.encode_history(history, nodes["kind"])
    influence = None
    if config.interaction == "edge":
        influence = _attention(config, module, own, history, graph)
    if config.interaction == "sum":
        influence = _sums(config, module, own, history, graph)
    c = module.condition(influence, own)
    mean, spread, _ = module.decode(c, history[:, -1], config.horizon)
    scales = config.dt, config.velocity_scale
    return networks.integrated_mixture(module.prior(c), mean, spread, *scales)


def _edges(config, graph):
    """Senders' standardised states `[edges, time, 6]` in the frame of the model."""
    target = graph.nodes["history"][graph.receivers, -1]
    return trajectron.standardise(
        config, trajectron.in_frame(config, target, graph.edges)
    )


def _attention(config, module, own, history, graph):
    """Influence `[nodes, hidden]`: attention over the edges that come in."""
    senders, receivers, kind = graph.senders, graph.receivers, graph.nodes["kind"]
    if not len(senders):
        return jnp.zeros_like(own)
    states = _edges(config, graph)[:, None]
    pair = kind[receivers], kind[senders][:, None]
    edges = module.encode_edges(history[receivers], states, *pair)[:, 0]
    keys = jnp.tanh(module.key_edge(edges) + module.key_own(own)[receivers])
    score = module.score(keys)[:, 0]
    share = jraph.segment_softmax(score, receivers, len(own))
    return jax.ops.segment_sum(share[:, None] * edges, receivers, len(own))


def _sums(config, module, own, history, graph):
    """Influence `[nodes, hidden]`: attention over one sum of senders per kind."""
    kinds, kind = config.kinds, graph.nodes["kind"]
    shape = len(own), kinds
    place = graph.receivers * kinds + kind[graph.senders]
    states = jax.ops.segment_sum(_edges(config, graph), place, len(own) * kinds)
    count = jax.ops.segment_sum(jnp.ones(len(place)), place, len(own) * kinds)
    strength = jnp.minimum(count, 1).reshape(*shape, 1)
    states = states.reshape(*shape, *states.shape[1:])
    every = jnp.broadcast_to(jnp.arange(kinds), shape)
    edges = module.encode_edges(history, states, kind, every) * strength
    return module.attend(own, edges, jnp.ones(shape, bool))
