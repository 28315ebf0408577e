// Colours of overlays, told apart by readers with any colour vision: blue below zero, orange above.

export const MAPS = {
  diverging: { mode: 1, negative: [38, 120, 255], positive: [255, 138, 0] },
  sequential: { mode: 2, negative: [0, 0, 0], positive: [232, 44, 150] },
};
