// Grades of confidence, as all our pages show them (writers/grades.py).
export const AT_LEAST = { sure: 0.9, check: 0.6 };

export const grade = (confidence) =>
  confidence === null
    ? "unknown"
    : Object.keys(AT_LEAST).find((name) => confidence >= AT_LEAST[name]) ?? "doubtful";

export const percent = (confidence) =>
  confidence === null ? "–" : `${Math.round(confidence * 100)}%`;
