"use strict";
// One number followed from the loss to one cell of the map: tx of a RoI along the path that carries most of it.

/** The strongest path of tx: { r, column, u, v, b, to, closed, … } and every number on it; null without foreground. */
function strongestPath(scenario, found, wanted) {
  const { labels, weights } = scenario;
  const foreground = [wanted, ...labels.keys()].filter((r) => labels[r] > 0);
  if (foreground.length === 0) return null;
  const r = foreground[0];
  const column = 4 * labels[r];
  const sent = found.dbboxPred[r][column];
  const open = (z) => z.flatMap((value, i) => (value > 0 ? [i] : []));
  const paths = open(found.z7[r]).flatMap((u) =>
    open(found.z6[r]).flatMap((v) =>
      found.pooled[r].bins.flatMap(({ shares }, b) =>
        shares.map((to) => {
          const carried = weights.bbox_pred[u][column] * weights.fc7[v][u] * weights.fc6[b][v] * to.share;
          return { u, v, b, to, carried: Math.abs(carried) };
        }),
      ),
    ),
  );
  if (paths.length === 0) return null;
  const best = paths.reduce((most, path) => (path.carried > most.carried ? path : most));
  const toFc7 = sent * weights.bbox_pred[best.u][column];
  const toFc6 = toFc7 * weights.fc7[best.v][best.u];
  const toBin = toFc6 * weights.fc6[best.b][best.v];
  const closed = found.z7[r].findIndex((z) => z <= 0);
  return { ...best, r, column, sent, toFc7, toFc6, toBin, toCell: toBin * best.to.share, closed };
}

/** What the whole of tx brings to the map, by every path: only its column is sent back. */
function allOfTx({ features, weights }, found, { r, column }) {
  const only = found.dbboxPred.map((row, i) => row.map((value, j) => (i === r && j === column ? value : 0)));
  const dz7 = reluBackward(linearBackward(only, weights.bbox_pred), found.z7);
  const dz6 = reluBackward(linearBackward(dz7, weights.fc7), found.z6);
  return poolBackward(linearBackward(dz6, weights.fc6), found.pooled, features.length, features[0].length);
}
