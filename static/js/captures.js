// A pressed row of captures opens beside its list, in #detail; with a modifier, or where there is no #detail, it is a link.

document.addEventListener("click", (event) => {
  const row = event.target.closest?.("a[data-capture]");
  if (!row || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (!document.getElementById("detail")) return;
  event.preventDefault();
  htmx.ajax("GET", row.href, { source: row, target: "#detail", select: "#detail", swap: "outerHTML" });
});
