// Light, dark or the system's choice. A classic script in the head, so that the first paint is already right.
(() => {
  const KEY = "sightline-theme";
  const ORDER = ["system", "light", "dark"];
  const root = document.documentElement;

  const chosen = () => {
    try {
      return ORDER.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "system";
    } catch {
      return "system"; // storage may be forbidden; then the system decides
    }
  };

  const show = (theme) => {
    if (theme === "system") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
    document.querySelectorAll("[data-theme-name]").forEach((name) => { name.textContent = theme; });
    document.dispatchEvent(new CustomEvent("themechange"));
  };

  const next = () => {
    const theme = ORDER[(ORDER.indexOf(chosen()) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // shown for this page only
    }
    show(theme);
  };

  show(chosen());
  document.addEventListener("DOMContentLoaded", () => show(chosen()));
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-switch]")) next();
  });
})();
