// Two edges that are dragged, or moved with the arrow keys; where they come to rest becomes a `select` event.
const STEP = 0.1, SHORTEST = 0.2;  // seconds
const bar = () => element.querySelector(".trim");
const times = () => Object.fromEntries(["low", "high", "start", "end"].map((name) => [name, Number(bar().dataset[name])]));
const draw = () => {
    if (!bar()) return;
    const {low, high, start, end} = times();
    const place = (time) => `${100 * (time - low) / (high - low)}%`;
    for (const edge of ["start", "end"]) {
        const handle = bar().querySelector(`[data-edge=${edge}]`);
        const time = bar().dataset[edge];
        handle.style.left = place(time);
        handle.setAttribute("aria-valuenow", Number(time).toFixed(1));
        handle.setAttribute("aria-valuetext", `${Number(time).toFixed(1)} seconds`);
    }
    Object.assign(bar().querySelector(".kept").style, {left: place(start), width: `${100 * (end - start) / (high - low)}%`});
};
const move = (edge, time) => {
    const {low, high, start, end} = times();
    const [least, most] = edge === "start" ? [low, end - SHORTEST] : [start + SHORTEST, high];
    bar().dataset[edge] = Math.min(Math.max(time, least), most).toFixed(2);
    draw();
};
const settle = () => {
    const {start, end} = times();
    trigger("select", {start, end});
};
let dragged = null, waiting;
element.addEventListener("pointerdown", (event) => {
    const handle = event.target.closest(".handle");
    if (!handle) return;
    dragged = handle.dataset.edge;
    handle.setPointerCapture(event.pointerId);
});
element.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const box = bar().getBoundingClientRect(), {low, high} = times();
    move(dragged, low + (event.clientX - box.left) / box.width * (high - low));
});
for (const name of ["pointerup", "pointercancel"]) {
    element.addEventListener(name, () => { if (dragged) settle(); dragged = null; });
}
element.addEventListener("keydown", (event) => {
    const handle = event.target.closest(".handle");
    const direction = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1}[event.key];
    if (!handle || !direction) return;
    event.preventDefault();
    move(handle.dataset.edge, Number(bar().dataset[handle.dataset.edge]) + direction * STEP * (event.shiftKey ? 10 : 1));
    clearTimeout(waiting);
    waiting = setTimeout(settle, 400);  // of several presses, the last counts
});
element.addEventListener("click", (event) => {
    const edge = event.target.dataset.here;
    const player = document.querySelector("#scores .screen video");
    if (!edge || !player || !bar()) return;
    move(edge, player.currentTime);
    settle();
});
watch("value", () => requestAnimationFrame(draw));
draw();
