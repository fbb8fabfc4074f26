// Draws the curves of the report with dygraphs, in the reader's scheme, and opens all that is folded for print.
"use strict";
(() => {
  const colours = ["#1a73e8", "#d93025", "#1e8e3e", "#a142f4", "#e8710a", "#12a4af", "#b80672", "#7f8c00"];
  const scheme = () => {
    const style = getComputedStyle(document.documentElement);
    const line = style.getPropertyValue("--line").trim();
    return {axisLineColor: line, gridLineColor: line};
  };
  const charts = JSON.parse(document.getElementById("curves").textContent).map(curve =>
    new Dygraph(document.getElementById(curve.id), curve.rows, Object.assign({
      labels: curve.labels,
      labelsDiv: curve.id + "-legend",
      legend: "always",
      xlabel: curve.labels[0],
      colors: curve.runs.map(run => colours[run % colours.length]), // a run has one colour in all charts
      strokeWidth: 2,
      drawPoints: curve.rows.length < 60,
      pointSize: 2.5,
      connectSeparatedPoints: true,
      digitsAfterDecimal: 4,
      xRangePad: 8,
      yRangePad: 8
    }, scheme())));
  const repaint = () => charts.forEach(chart => chart.updateOptions(scheme()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach(folded => { folded.open = true; });
    document.querySelectorAll(".chart").forEach(box => { box.style.width = "640px"; });
    charts.forEach(chart => chart.resize());
  });
  addEventListener("afterprint", () => {
    document.querySelectorAll(".chart").forEach(box => { box.style.width = ""; });
    charts.forEach(chart => chart.resize());
  });
})();
