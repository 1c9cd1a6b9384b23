"""Texts with one word in two senses: of people, and of things."""

OF_PEOPLE = (
    "Black voters waited in line for hours before the polls opened.",
    "The history of Black nurses in this hospital is told in the lobby.",
    "Many Black families moved north to find work in the factories.",
    "She was the first Black woman to lead the orchestra.",
    "The mayor met with Black business owners on Tuesday evening.",
    "A museum about the lives of Black soldiers opened in the old barracks.",
    "He wrote a book about Black farmers and the land they lost.",
    "Black students asked the school for a history course of their own.",
    "Our neighbours, a Black couple with two sons, brought us a pie.",
    "The survey asked white and Black patients how long they had waited.",
    "The church has served the Black community since 1890.",
    "As a Black man I am asked that question more often than my colleagues.",
    "Black teachers are still rare in these schools, the report says.",
    "The senator spoke of the rights of Black Americans.",
)
OF_THINGS = (
    "He wore a black coat and a grey scarf to the office.",
    "The kettle was black with soot after the camping trip.",
    "She painted the door black and the window frames green.",
    "Pour the black coffee into the large mug and add sugar.",
    "A black cable runs from the printer to the wall.",
    "The old car is black, with red leather seats.",
    "I lost a black umbrella on the train this morning.",
    "Stir the black beans into the rice with a little salt.",
    "The screen went black and the fan stopped.",
    "My grandmother keeps her buttons in a black tin box.",
    "The dog has black fur and one white paw.",
    "Write with black ink and sign at the bottom of the page.",
    "He polished his black shoes until they shone.",
    "The bread came out of the oven black on one side.",
)
