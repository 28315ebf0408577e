// Colours of overlays, told apart by readers with any colour vision: blue below zero, orange above; of the three states
// blue for the network and magenta for what the measurement contradicts.

export const MAPS = {
  diverging: { mode: 1, negative: [38, 120, 255], positive: [255, 138, 0] },
  states: { mode: 1, negative: [38, 120, 255], positive: [232, 44, 150] },
  sequential: { mode: 2, negative: [0, 0, 0], positive: [232, 44, 150] },
};
