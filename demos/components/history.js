// Files dropped on the gallery go the way of those chosen with its button.
const area = element.closest("#liked");
area.addEventListener("dragover", (event) => event.preventDefault());
area.addEventListener("drop", (event) => {
    event.preventDefault();
    const input = area.querySelector("input[type=file]");
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", {bubbles: true}));
});
element.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button) trigger("select", {...button.dataset});
});
