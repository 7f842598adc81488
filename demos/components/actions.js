// A click on a button with data-action becomes a `select` event that carries all its data attributes.
element.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button) trigger("select", {...button.dataset});
});
// One that is redrawn between press and release gets no click, and still does what it said.
let pressed = null;
element.addEventListener("pointerdown", ({target}) => { pressed = target.closest("[data-action]"); });
element.addEventListener("pointerup", () => {
    if (pressed && !pressed.isConnected) trigger("select", {...pressed.dataset});
    pressed = null;
});
element.dataset.ready = "";  // for links that begin with a sample
