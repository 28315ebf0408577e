"""The paper's comparison: contestants, boards, image and Fourier scores, detection, trust tests, figures."""
