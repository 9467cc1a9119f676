"use strict";

// The page is whole without this script: it adds copying, filtering, and opening what a link or a printer needs.

for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}

async function copy(button) {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

const filter = document.querySelector("form.filter");
if (filter) {
  const rows = [...document.querySelectorAll("table.rules tr[data-outcomes]")];
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const apply = () => {
    const wanted = new FormData(filter);
    const text = wanted.get("text").trim().toLowerCase();
    const isShown = (row) =>
      texts.get(row).includes(text) &&
      (!wanted.get("surface") || row.dataset.surface === wanted.get("surface")) &&
      row.dataset.outcomes.split(" ").some((judged) => {
        const [client, outcome] = judged.split("/");
        return [client, ""].includes(wanted.get("client")) && [outcome, ""].includes(wanted.get("outcome"));
      });
    for (const row of rows) row.hidden = !isShown(row);
    for (const group of document.querySelectorAll("table.rules tbody")) {
      group.hidden = !group.querySelector("tr[data-outcomes]:not([hidden])");
    }
    const shown = rows.filter((row) => !row.hidden).length;
    filter.querySelector("[role=status]").textContent = `${shown} of ${rows.length} rules`;
  };
  filter.hidden = false;
  filter.addEventListener("input", apply);
  filter.addEventListener("submit", (event) => event.preventDefault());
  apply();
}

addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll(".findings details")) details.open = true;
});
