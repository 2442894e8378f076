// Runs in the head, before anything is painted: a visitor who chose light or dark must not see the other one flash.
(function () {
  try {
    const chosen = window.localStorage.getItem("frontdesk.scheme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.scheme = chosen;
  } catch (error) {
    console.info("No storage here: light or dark follows the system.", error.name);
  }
})();
