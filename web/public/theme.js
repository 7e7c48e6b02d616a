// Runs before the page is drawn, so that a night-duty screen never flashes white.
(function () {
  var theme = null;
  try {
    theme = localStorage.getItem("chengmai.theme");
  } catch (_) {
    // Storage may be forbidden by the browser's policy; then the system's preference decides.
  }
  if (theme !== "light" && theme !== "dark") {
    theme = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  document.documentElement.classList.add(theme);
})();
