history.replaceState(null, "", document.getElementById("done").href);
