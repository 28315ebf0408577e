// What an interval establishes along a line: the peaks and dips that every curve between its bounds must have.

// Turns that no curve within the bounds can avoid, in order: whether it is a peak, and between which samples it lies. `first` is
// the direction of the first change that is forced, 0 if an even line fits. What is not a number ends nothing and forces nothing.
export function forcedTurns(lower, upper) {
  const turns = [];
  let direction = 0, first = 0, low = Infinity, lowAt = 0, high = -Infinity, highAt = 0; // low: least upper bound; high: largest lower bound
  const setLow = (i) => ([low, lowAt] = [upper[i], i]), setHigh = (i) => ([high, highAt] = [lower[i], i]);
  for (let i = 0; i < lower.length; i++) {
    const rises = lower[i] > low, falls = upper[i] < high;
    if (direction >= 0 && falls) {
      if (direction > 0) turns.push({ peak: true, from: lowAt, to: i });
      direction = -1;
      setLow(i);
    } else if (direction <= 0 && rises) {
      if (direction < 0) turns.push({ peak: false, from: highAt, to: i });
      direction = 1;
      setHigh(i);
    } else {
      if (direction <= 0 && upper[i] < low) setLow(i);
      if (direction >= 0 && lower[i] > high) setHigh(i);
    }
    first = first || direction;
  }
  return { turns, first };
}

// Peaks and dips of a curve, by sample; a plateau counts once, at its end.
export function ownTurns(values) {
  const found = [];
  let last = 0;
  for (let i = 1; i < values.length; i++) {
    const step = Math.sign(values[i] - values[i - 1]);
    if (!step) continue;
    if (last && step !== last) found.push({ peak: last > 0, at: i - 1 });
    last = step;
  }
  return found;
}

// Which peaks and dips of a curve its interval establishes: for each forced turn the curve's own extreme in that place.
export function established(values, lower, upper) {
  const { turns, first } = forcedTurns(lower, upper), own = ownTurns(values);
  const sure = turns.map(({ peak, from, to }) => {
    let best = from;
    for (let i = from; i <= to; i++) if (peak ? values[i] > values[best] : values[i] < values[best]) best = i;
    return { peak, at: best };
  });
  return { sure, first, unsure: own.length - Math.min(own.length, sure.length) };
}

const counted = (n, one, many) => `${n} ${n === 1 ? one : many}`;

// In words, for whoever looks for a feature on the line.
export function said({ sure, first, unsure }, name) {
  const smaller = (further) => `${counted(unsure, `${further}peak or dip`, `${further}peaks and dips`)} of the restored profile ${unsure === 1 ? "is" : "are"} smaller than`;
  if (sure.length) {
    const rest = unsure ? ` ${smaller("further ")} the interval and not established.` : "";
    return `Established within the ${name}: ${counted(sure.length, "peak or dip", "peaks and dips")}.${rest}`;
  }
  const fits = first ? "the line rises or falls, which is established; a curve without peak or dip lies within" : "an even line lies within";
  return `Not established: ${fits} the ${name}.${unsure ? ` ${smaller("")} it.` : ""}`;
}
