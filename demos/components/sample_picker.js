// A click on a sample becomes a `select` event that carries its place in the list.
element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) trigger("select", {index: Number(button.value)});
});
element.dataset.ready = "";  // for links that begin with a sample
