// A click on a button with data-action becomes a `select` event that carries all its data attributes.
element.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button) trigger("select", {...button.dataset});
});
element.dataset.ready = "";  // for links that begin with a sample
