element.setAttribute("role", "status");
