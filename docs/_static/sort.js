// Tables of the class "sortable": a click on a column's head sorts by it, a second one turns the order.
document.addEventListener("DOMContentLoaded", () => {
  const number = (text) => Number.parseFloat(text.replaceAll(",", ""));
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    table.querySelectorAll("thead th").forEach((head, column) => {
      const button = document.createElement("button");
      button.append(...head.querySelectorAll("p").length ? head.querySelector("p").childNodes : head.childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending";
        table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const cell = (row) => row.cells[column].textContent.trim();
        const rows = [...body.rows].sort((one, two) => {
          const [a, b] = [cell(one), cell(two)];
          const order = Number.isNaN(number(a)) || Number.isNaN(number(b)) ? a.localeCompare(b) : number(a) - number(b);
          return falling ? -order : order;
        });
        body.append(...rows);
      });
    });
  }
});
